// The demo page: two players, measured figures, the inspector, the check, and strips drawn from the feed.
// No third-party code, no requests to other hosts.

const POLL_EVERY = 500; // milliseconds
const RETRY_AFTER = 3000;
const MAX_EVENTS = 40; // in one strip; older ones are removed
const MAX_RESPONSES = 100;
const PIECE = 0.06; // of the complete length
const COPIED_FOR = 2000; // milliseconds
const MAX_SHORT = 17; // characters of a header that a phone shows in the table
const TARGET = 75; // seconds, to which the films jump

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en-GB");
const files = new Map([...document.querySelectorAll(".file")].map((file) => [file.dataset.file, file]));
const strips = new Map(); // of each mount and file
for (const strip of document.querySelectorAll("[data-strip]")) {
  strips.set(strip.dataset.strip, [...(strips.get(strip.dataset.strip) ?? []), strip]);
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function inWords(length) {
  for (const [unit, power] of [["GiB", 30], ["MiB", 20], ["KiB", 10]]) {
    if (length >= 2 ** power) return `${(length / 2 ** power).toFixed(1)} ${unit}`;
  }
  return `${length} ${length === 1 ? "byte" : "bytes"}`;
}

async function postJson(url, data) {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: JSON.stringify(data) });
  return answer.json();
}

// --- The two films ------------------------------------------------------------------------------------------------

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function say(side, text, state = "") {
  const verdict = side.querySelector(".verdict");
  verdict.textContent = text;
  verdict.dataset.state = state;
  verdict.setAttribute("aria-busy", !state); // read aloud when it is final, not each second
}

function judge(side, player, begun) {
  const after = ((performance.now() - begun) / 1000).toFixed(1);
  if (player.currentTime >= TARGET - 0.5) {
    say(side, `✓ ${player.paused ? "Is" : "Plays"} at ${clock(TARGET)} after ${after} s`, "good");
    return;
  }
  const why = side.dataset.status === "200" ? ": the server sent the file from its first byte" : "";
  say(side, `✗ Still at ${clock(player.currentTime)}${why}`, "bad");
}

function seek(side) {
  const player = side.querySelector("video");
  const begun = performance.now();
  side.jump?.abort();
  side.jump = new AbortController();
  const { signal } = side.jump;
  const waiting = setInterval(() => say(side, `Waiting for ${Math.round((performance.now() - begun) / 1000)} s`), 1000);
  const end = () => side.jump.abort();
  signal.addEventListener("abort", () => clearInterval(waiting));
  player.addEventListener("seeked", () => { judge(side, player, begun); end(); }, { signal });
  player.addEventListener("error", () => { say(side, "✗ The player cannot load the film", "bad"); end(); }, { signal });
  const go = () => {
    player.play().catch(() => {}); // not allowed: the player shows the moment, and is paused
    player.currentTime = TARGET; // the browser corrects this where it cannot seek
  };
  say(side, "Jumping …");
  if (player.readyState) go();
  else player.addEventListener("loadedmetadata", go, { signal, once: true });
}

const sides = [...document.querySelectorAll("[data-side]")];
sides.forEach((side) => side.querySelector("[data-seek]").addEventListener("click", () => seek(side)));
byId("jump-both").addEventListener("click", () => sides.forEach(seek));

// --- Measured figures ---------------------------------------------------------------------------------------------

function judged({ good, words }) {
  return element("td", { className: good ? "good" : "bad" }, element("b", {}, good ? "✓ " : "✗ "), words);
}

function figureRow({ title, asked, rangeware, plain }) {
  const shown = asked.map((line) => element("code", { className: line.length > MAX_SHORT ? "long" : "" }, line));
  return element("tr", {}, element("th", { scope: "row" }, title, ...shown), judged(rangeware), judged(plain));
}

function figureGroup({ view, name, rows }) {
  const title = element("th", { colSpan: 3, scope: "rowgroup" }, element("code", {}, view), ` · ${name}`);
  return element("tbody", {}, element("tr", { className: "group" }, title), ...rows.map(figureRow));
}

async function measure() {
  byId("measure").disabled = true;
  byId("measured").textContent = "Measuring …";
  try {
    const { groups } = await postJson(document.body.dataset.measure, {});
    byId("figures").querySelectorAll("tbody").forEach((body) => body.remove());
    byId("figures").append(...groups.map(figureGroup));
    byId("figures").hidden = false;
    byId("measured").textContent = `Measured at ${new Date().toLocaleTimeString("en-GB")}`;
  } catch {
    byId("measured").textContent = "The demo does not respond.";
  }
  byId("measure").disabled = false;
}

byId("measure").addEventListener("click", measure);
measure();

// --- Who sent it: marks, only behind nginx ------------------------------------------------------------------------

const behindNginx = "behindNginx" in document.body.dataset;
const responses = new Map(); // promises of the responses to this page's own requests, by the id of the request

async function ownRequest(url, options) {
  const id = `page-${Date.now()}-${Math.random()}`;
  const response = fetch(url, { ...options, headers: { ...options.headers, "X-Demo-Request": id } });
  if (behindNginx) responses.set(id, response.catch(() => null));
  while (responses.size > MAX_RESPONSES) responses.delete(responses.keys().next().value);
  return response;
}

// What nginx did with a file that was handed to it is known only for the page's own requests.
async function completed(event) {
  const response = await responses.get(event.request_id);
  if (!response || !event.handed_over) return event;
  const sender = response.headers.get("X-Sent-By");
  return { ...event, status: response.status, reason: "", handed_over: false, sent_by: sender };
}

function mark(sender, words = `sent by ${sender}`) {
  return element("span", { className: `mark ${sender.toLowerCase()}` }, words);
}

function marks(event) {
  if (!behindNginx) return [];
  return [event.handed_over ? mark("nginx", "handed to nginx") : mark(event.sent_by || "Python")];
}

// --- The strips ---------------------------------------------------------------------------------------------------

function kindOf(event) {
  if (event.method !== "GET") return null;
  const ranges = event.ranges.length ? event.ranges : event.asked_ranges;
  if (event.status === 206 || (event.handed_over && event.asked)) return ranges.length > 1 ? "many" : "one";
  return event.status === 200 ? "whole" : null;
}

function box(className, [firstPos, lastPos], completeLength) {
  const made = element("i", { className });
  Object.assign(made.dataset, { firstPos, lastPos });
  made.style.left = `min(${(100 * firstPos) / completeLength}%, 100% - 4px)`;
  made.style.width = `${(100 * (lastPos - firstPos + 1)) / completeLength}%`;
  return made;
}

function describeRanges(ranges) {
  const shown = ranges.slice(0, 2).map(([first, last]) => `${number(first)}–${number(last)}`);
  const more = ranges.length > 2 ? ` and ${ranges.length - 2} more` : "";
  return `bytes ${shown.join(", ")}${more}`;
}

const ENDS = { sending: " so far", cut: ", then the client stopped", complete: "" };

function describeSent({ sent, state, ranges, asked, asked_ranges: askedRanges, status, sent_by: sentBy }) {
  if (sentBy) return describeRanges(askedRanges);
  const total = inWords(sent.reduce((sum, [first, last]) => sum + last - first + 1, 0));
  if (ranges.length > 1) return `sent ${total} in ${ranges.length} ranges${ENDS[state]}`;
  if (status === 206) return `sent ${total} of ${describeRanges(ranges)}${ENDS[state]}`;
  const wanted = asked && asked !== "bytes=0-" ? `asked for ${asked}, ` : "";
  return `${wanted}sent ${total} from the first byte${ENDS[state]}`;
}

function describe(event) {
  if (event.handed_over) return `asked for ${event.asked ? describeRanges(event.asked_ranges) : "the whole file"}`;
  return kindOf(event) ? describeSent(event) : "no content";
}

function titleOf(event) {
  if (event.handed_over) return event.method;
  return event.method === "GET" ? `${event.status}` : `${event.method} ${event.status}`;
}

function showLast(strip, event) {
  const title = titleOf(event);
  const isTelling = event.reason && !event.handed_over && event.reason !== "the ranges asked for";
  const reason = isTelling ? ` · “${event.reason}”` : "";
  const line = `${describe(event)}${reason}`;
  const shown = marks(event);
  strip.parentElement.querySelector(".last").replaceChildren(element("b", {}, title), ` · ${line} `, ...shown);
  const words = [`${strip.dataset.answers} responses, latest ${title}`, line, ...shown.map((made) => made.textContent)];
  strip.setAttribute("aria-label", `${event.name}: ${words.join(", ")}`);
}

function groupOf(strip, serial, fresh) {
  const known = strip.querySelector(`[data-serial="${serial}"]`);
  if (known) return known;
  const made = element("span", { className: fresh ? "fresh" : "" });
  made.dataset.serial = serial;
  strip.append(made);
  strip.dataset.answers = Number(strip.dataset.answers || 0) + 1;
  if (strip.children.length > MAX_EVENTS) strip.firstChild.remove();
  return made;
}

function draw(strip, event, fresh) {
  if (event.serial <= Number(strip.dataset.cleared || 0)) return;
  const group = groupOf(strip, event.serial, fresh);
  const kind = kindOf(event);
  const length = Number(strip.dataset.completeLength);
  Object.assign(group.dataset, { status: event.status, state: event.state });
  group.replaceChildren(...(kind ? event.asked_ranges.map((range) => box(`asked ${kind}`, range, length)) : []),
    ...(kind ? event.sent.map((range) => box(`sent ${kind}`, range, length)) : []));
  if (strip.lastChild === group) showLast(strip, event);
  const side = strip.closest("[data-side]");
  if (side) side.dataset.status = event.status;
}

function paint(event, fresh) {
  const key = `${event.mount}:${event.name}`;
  const own = event.slow ? strips.get(`${key}?slow`) ?? [] : []; // below the two players: what they ask for
  for (const strip of [...own, ...strips.get(key) ?? []]) draw(strip, event, fresh);
}

let seen = 0;
let history = true;
let timer = null;

function forget(cleared) {
  document.querySelectorAll("[data-strip]").forEach((strip) => {
    Object.assign(strip.dataset, { answers: 0, cleared });
    strip.replaceChildren();
    strip.setAttribute("aria-label", `${strip.dataset.strip.split(/[:?]/)[1]}: cleared`);
    strip.parentElement.querySelector(".last").textContent = "";
  });
}

function take({ last, events }) {
  if (last < seen) { // the demo was restarted
    forget(0);
    seen = 0;
  }
  for (const event of events) {
    const fresh = !history;
    if (responses.has(event.request_id)) completed(event).then((whole) => paint(whole, fresh));
    else paint(event, fresh);
  }
  if (events.length) seen = events.at(-1).version;
  history = false; // the first answer has all that the demo remembers
}

function showState(state, words) {
  const live = byId("live");
  live.dataset.state = state;
  live.querySelector("b").textContent = words;
}

async function poll() {
  let pause = POLL_EVERY;
  try {
    const answer = await fetch(`${document.body.dataset.events}?after=${seen}`, { cache: "no-store" });
    take(await answer.json());
    showState("live", "live");
  } catch {
    showState("lost", "the demo does not respond");
    pause = RETRY_AFTER;
  }
  if (!document.hidden) timer = setTimeout(poll, pause);
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  if (document.hidden) showState("paused", "paused");
  else poll();
});
byId("wipe").addEventListener("click", () => forget(seen));
poll();

// --- Players and pieces -------------------------------------------------------------------------------------------

const fileUrl = (name) => files.get(name).querySelector("a[download]").href;

function jump(button) {
  const player = button.closest(".file").querySelector("audio");
  const go = () => { player.currentTime = player.duration * Number(button.dataset.jump); };
  if (player.readyState) {
    go();
    return;
  }
  player.addEventListener("loadedmetadata", go, { once: true });
  player.preload = "metadata";
  player.load();
}

function pieces(completeLength, wanted) {
  const length = Math.max(1, Math.floor((completeLength * PIECE) / wanted));
  const slot = Math.floor(completeLength / wanted);
  return Array.from({ length: wanted }, (_, place) => {
    const firstPos = place * slot + Math.floor(Math.random() * (slot - length));
    return `${firstPos}-${firstPos + length - 1}`;
  });
}

async function takePieces(button) {
  const file = button.closest(".file");
  const ranges = pieces(Number(file.dataset.completeLength), Number(button.dataset.take));
  const headers = { Range: `bytes=${ranges.join(",")}` };
  const answer = await ownRequest(fileUrl(file.dataset.file), { headers, cache: "no-store" });
  await answer.arrayBuffer();
}

document.querySelectorAll("[data-jump]").forEach((button) => button.addEventListener("click", () => jump(button)));
document.querySelectorAll("[data-take]").forEach((button) => button.addEventListener("click", () => takePieces(button)));

function unfold(button) {
  const file = button.closest(".file");
  const isOpen = file.classList.toggle("open");
  button.setAttribute("aria-expanded", isOpen);
  file.querySelector(".more").hidden = !isOpen;
}

document.querySelectorAll("[data-more]").forEach((button) => button.addEventListener("click", () => unfold(button)));

// --- Commands to copy ---------------------------------------------------------------------------------------------

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const command = button.closest(".command").querySelector("code");
  let said = "Copied";
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch { // not allowed, or no clipboard: browsers offer it in secure contexts only
    select(command);
    said = "Selected";
  }
  button.textContent = said;
  byId("said").textContent = `${said}: ${command.textContent}`;
  setTimeout(() => { button.textContent = "Copy"; }, COPIED_FOR);
}

document.querySelectorAll("[data-copy]").forEach((button) => button.addEventListener("click", () => copy(button)));

// --- The inspector ------------------------------------------------------------------------------------------------

const form = byId("question");
const inputs = [...form.querySelectorAll("[data-field]")];
const TELLING = new Set(["content-range", "content-length", "content-type", "accept-ranges", "etag", "x-sent-by"]);

function note(text, bad = false) {
  byId("note").textContent = text;
  byId("note").classList.toggle("bad", bad);
}

async function currentField(name) {
  const answer = await fetch(fileUrl(form.elements.file.value), { method: "HEAD", cache: "no-store" });
  return answer.headers.get(name);
}

async function fill(field, value) {
  const input = byId(`field-${field}`);
  if (value === "beyond") {
    input.value = `bytes=${files.get(form.elements.file.value).dataset.completeLength}-`;
  } else if (value === "etag" || value === "last-modified") {
    const current = await currentField(value);
    input.value = current ?? "";
    note(current ? "" : `${form.elements.file.value} has no ${value === "etag" ? "ETag" : "Last-Modified"}.`);
  } else {
    input.value = value;
  }
}

function fieldLine([name, value], telling) {
  const line = element("div", {}, element("b", {}, name && `${name}: `), value);
  if (telling && TELLING.has(name.toLowerCase())) line.className = "telling";
  return line;
}

function lines(fields, telling = false) {
  return element("div", { className: "lines" }, ...fields.map((field) => fieldLine(field, telling)));
}

function bytes(preview) {
  const block = element("pre", { className: `bytes ${preview.kind}`, tabIndex: 0 }, preview.text);
  block.setAttribute("role", "group");
  block.setAttribute("aria-label", "The bytes");
  const words = `${number(preview.length)} bytes${preview.cut ? ", first ones shown" : ""}`;
  return [element("p", { className: "note" }, words), block];
}

function part(shown) {
  return element("div", { className: "part" }, lines(shown.fields), ...bytes(shown.preview));
}

function why(plan) {
  if (!plan || !plan.reason) {
    return element("p", { className: "why" }, element("small", {}, "No Range and no precondition: nothing to decide."));
  }
  const sentence = element("q", { className: "reason" }, plan.reason);
  return element("p", { className: "why" }, element("small", {}, "Why: "), sentence);
}

function contentOf(answer) {
  if (answer.parts.length) {
    const more = answer.more_parts ? [element("p", { className: "note" }, `and ${answer.more_parts} more parts`)] : [];
    return [element("h4", {}, `${answer.parts.length + answer.more_parts} parts`), ...answer.parts.map(part), ...more];
  }
  if (!answer.content) return [element("h4", {}, "No content")];
  const cut = answer.cut ? [element("p", { className: "note" }, `of ${number(Number(answer.content_length))} declared; the inspector closed the connection`)] : [];
  return [element("h4", {}, "Content"), ...bytes(answer.content), ...cut];
}

function requestOf(answer) {
  const sent = element("pre", { className: "bytes" }, answer.request.join("\n"));
  return element("details", {}, element("summary", {}, "Request as sent"), sent);
}

function marksOf(answer) {
  if (!behindNginx) return [];
  const [, sender] = answer.fields.find(([name]) => name.toLowerCase() === "x-sent-by") ?? ["", "Python"];
  return [element("p", { className: "sender" }, mark(sender))];
}

function verdictsOf({ verdicts }) { // by the code of "rangeware check"
  return verdicts?.length ? [element("ul", { className: "findings" }, ...verdicts.map(finding))] : [];
}

function showAnswer(mount, answer, reason) {
  const status = element("p", { className: "status" }, answer.status_line);
  status.dataset.class = answer.status_line.split(" ")[1][0];
  const body = document.querySelector(`[data-mount="${mount}"] .body`);
  body.replaceChildren(status, ...marksOf(answer), ...verdictsOf(answer), reason, element("h4", {}, "Headers"), lines(answer.fields, true),
    ...contentOf(answer), requestOf(answer));
}

function showAnswers({ rangeware, plain, plan }) {
  showAnswer("rangeware", rangeware, why(plan));
  showAnswer("plain", plain, element("p", { className: "why" }, element("small", {}, "Flask gives no reason.")));
  byId("answers").hidden = false;
  byId("reports").hidden = true;
  note(`${rangeware.status_line.slice(9)} with rangeware, ${plain.status_line.slice(9)} from Flask alone.`);
}

function question() {
  const fields = Object.fromEntries(inputs.map((input) => [input.dataset.field, input.value]));
  return { file: form.elements.file.value, method: form.elements.method.value, fields };
}

async function ask(submit) {
  submit.preventDefault();
  note("Sending …");
  try {
    const result = await postJson(document.body.dataset.inspect, question());
    if (result.error) note(result.error, true);
    else showAnswers(result);
  } catch {
    note("The demo does not respond. Is it still running?", true);
  }
}

function clear(reset) {
  reset?.preventDefault(); // the default reset would restore the first example
  inputs.forEach((input) => { input.value = ""; });
  byId("answers").hidden = true;
  byId("reports").hidden = true;
  note("");
}

async function tryOne(button) {
  const wanted = JSON.parse(button.dataset.preset);
  clear();
  form.elements.file.value = button.dataset.presetFile;
  form.elements.method.value = "GET";
  await Promise.all(Object.entries(wanted).map(([field, value]) => fill(field, value)));
  if (Object.keys(wanted).some((field) => byId(`field-${field}`).closest("details"))) byId("more-fields").open = true;
  form.requestSubmit();
}

form.addEventListener("submit", ask);
form.addEventListener("reset", clear);
form.querySelectorAll("[data-fill]").forEach((button) => {
  button.addEventListener("click", () => fill(button.dataset.fill, button.dataset.value));
});
document.querySelectorAll("[data-preset]").forEach((button) => button.addEventListener("click", () => tryOne(button)));

// --- The check ----------------------------------------------------------------------------------------------------

const SIGNS = { good: "✓", limited: "~", broken: "✗", unknown: "?" };
const TITLES = { rangeware: "With rangeware", plain: "Flask alone" };

function badge(status) {
  const known = status in SIGNS ? status : "unknown";
  return element("b", { className: `badge ${known}` }, `${SIGNS[known]} ${known}`);
}

function finding({ title, name, status, detail }) {
  return element("li", {}, badge(status), element("span", {}, element("b", {}, title ?? name ?? ""), ` ${detail}`));
}

function judgedBy(found) {
  return element("td", {}, ...(found ? [badge(found.status), ` ${found.detail}`] : []));
}

function clientRows(reports) {
  const names = [...new Set(reports.flatMap(({ clients }) => clients.map(({ name }) => name)))];
  return names.map((name) => element("tr", {}, element("th", { scope: "row" }, name),
    ...reports.map(({ clients }) => judgedBy(clients.find((client) => client.name === name)))));
}

function reportTable(reports) {
  const titles = Object.values(TITLES);
  const heads = reports.map(({ verdict }, n) => element("th", { scope: "col" }, `${titles[n]} `, badge(verdict)));
  const summaries = reports.map(({ summary }) => element("td", {}, summary));
  const inShort = element("tr", {}, element("th", { scope: "row" }, "In short"), ...summaries);
  return element("table", { className: "panel measured" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Client"), ...heads)),
    element("tbody", {}, inShort, ...clientRows(reports)));
}

function probes(mount, { findings, seconds }) {
  const made = element("section", { className: "panel" },
    element("h3", {}, `${TITLES[mount]}: ${findings.length} findings in ${seconds.toFixed(1)} s`),
    element("ul", { className: "findings" }, ...findings.map(finding)));
  made.dataset.report = mount;
  return made;
}

async function check() {
  const button = byId("check");
  button.disabled = true;
  byId("answers").hidden = true;
  note("Checking …");
  try {
    const result = await postJson(button.dataset.check, { file: form.elements.file.value });
    if (result.error) note(result.error, true);
    else showReports(result);
  } catch {
    note("The demo does not respond. Is it still running?", true);
  }
  button.disabled = false;
}

function showReports(result) {
  const mounts = Object.keys(TITLES);
  byId("reports").replaceChildren(reportTable(mounts.map((mount) => result[mount])),
    element("details", {}, element("summary", {}, "All findings"),
      element("div", { className: "answers" }, ...mounts.map((mount) => probes(mount, result[mount])))));
  byId("reports").hidden = false;
  const [ours, theirs] = mounts.map((mount) => result[mount].verdict);
  note(`${form.elements.file.value}: ${ours} with rangeware, ${theirs} from Flask alone.`);
}

byId("check").addEventListener("click", check);
