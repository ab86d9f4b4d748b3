// The demo page: strips drawn from the feed, and the inspector. No third-party code, no requests to other hosts.

const POLL_EVERY = 500; // milliseconds
const RETRY_AFTER = 3000;
const MAX_SEGMENTS = 80; // in one strip; older ones are removed
const MAX_EARLIER = 5; // lines below the latest one, in cards that have such a list
const PIECE = 0.06; // of the complete length
const COPIED_FOR = 2000; // milliseconds

const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en-GB");
const cards = new Map([...document.querySelectorAll(".card")].map((card) => [card.dataset.file, card]));

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- Who sent it: marks, only behind nginx -------------------------------------------------------------------------

const behindNginx = "behindNginx" in document.body.dataset;
const responses = new Map(); // promises of the responses to this page's own requests, by the id of the request

async function ownRequest(url, options) {
  const id = `page-${Date.now()}-${Math.random()}`;
  const response = fetch(url, { ...options, headers: { ...options.headers, "X-Demo-Request": id } });
  if (behindNginx) responses.set(id, response.catch(() => null));
  return response;
}

// What nginx did with a file that was handed to it is known only for the page's own requests.
async function completed(event) {
  const response = await responses.get(event.request_id);
  responses.delete(event.request_id);
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
  const isPart = event.status === 206 || (event.handed_over && event.asked && event.method === "GET");
  if (isPart) return event.ranges.length === 1 ? "one" : "many";
  return event.status === 200 && event.method === "GET" ? "whole" : null;
}

function rangesOf(event, completeLength) {
  return kindOf(event) === "whole" ? [[0, completeLength - 1]] : event.ranges;
}

function segment(event, [firstPos, lastPos], completeLength, fresh) {
  const made = element("i", { className: `${kindOf(event)}${fresh ? " fresh" : ""}` });
  Object.assign(made.dataset, { firstPos, lastPos, status: event.status, serial: event.serial });
  made.style.left = `min(${(100 * firstPos) / completeLength}%, 100% - 3px)`;
  made.style.width = `${(100 * (lastPos - firstPos + 1)) / completeLength}%`;
  return made;
}

function describeRanges(ranges) {
  const shown = ranges.slice(0, 3).map(([first, last]) => `${number(first)}–${number(last)}`);
  const more = ranges.length > 3 ? ` and ${ranges.length - 3} more` : "";
  return `bytes ${shown.join(", ")}${more}`;
}

function describeAsked(event) {
  return event.ranges.length ? describeRanges(event.ranges) : event.asked || "the whole file";
}

function describe(event) {
  if (event.handed_over) return `asked for ${describeAsked(event)}`;
  if (event.ranges.length && event.status !== 200) return describeRanges(event.ranges);
  return kindOf(event) === "whole" ? "whole file" : "no content";
}

function keepEarlier(card) {
  const list = card.querySelector(".earlier");
  if (!list || !Number(card.dataset.answers)) return;
  list.prepend(element("li", {}, ...card.querySelector(".last").cloneNode(true).childNodes));
  while (list.children.length > MAX_EARLIER) list.lastChild.remove();
}

function titleOf(event) {
  if (event.handed_over) return event.method;
  return event.method === "GET" ? `${event.status}` : `${event.method} ${event.status}`;
}

function showLast(card, event) {
  const title = titleOf(event);
  const reason = event.reason && !event.handed_over ? ` · “${event.reason}”` : "";
  const line = `${describe(event)}${reason}`;
  const shown = marks(event);
  card.querySelector(".last").replaceChildren(element("b", {}, title), ` · ${line} `, ...shown);
  const words = [`${card.dataset.answers} responses, latest ${title}`, line, ...shown.map((made) => made.textContent)];
  card.querySelector(".strip").setAttribute("aria-label", `${card.dataset.file}: ${words.join(", ")}`);
}

function count(card, event) {
  card.dataset.answers = Number(card.dataset.answers || 0) + 1;
  const list = card.querySelector(".counts");
  const status = event.handed_over ? "handed to nginx" : String(event.status);
  let item = [...list.children].find((child) => child.dataset.status === status);
  if (!item) list.append((item = element("li")));
  item.dataset.status = status;
  item.dataset.count = Number(item.dataset.count || 0) + 1;
  item.textContent = `${status} × ${item.dataset.count}`;
}

function paint(event, fresh) {
  const card = cards.get(event.name);
  if (!card) return;
  const completeLength = Number(card.dataset.completeLength);
  const strip = card.querySelector(".strip");
  if (kindOf(event)) {
    strip.append(...rangesOf(event, completeLength).map((range) => segment(event, range, completeLength, fresh)));
  }
  while (strip.children.length > MAX_SEGMENTS) strip.firstChild.remove();
  keepEarlier(card);
  count(card, event);
  showLast(card, event);
}

function forget(card) {
  card.dataset.answers = 0;
  card.querySelectorAll(".strip, .counts, .earlier").forEach((list) => list.replaceChildren());
  card.querySelector(".strip").setAttribute("aria-label", `${card.dataset.file}: cleared`);
  card.querySelector(".last").textContent = "Cleared.";
}

let seen = 0;
let history = true;
let timer = null;

function take({ last, events }) {
  if (last < seen) { // the demo was restarted
    cards.forEach(forget);
    seen = 0;
  }
  for (const event of events) {
    const fresh = !history;
    if (responses.has(event.request_id)) completed(event).then((whole) => paint(whole, fresh));
    else paint(event, fresh);
  }
  if (events.length) seen = events.at(-1).serial;
  if (seen >= last) history = false;
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
byId("wipe").addEventListener("click", () => cards.forEach(forget));
poll();

// --- Players and pieces -------------------------------------------------------------------------------------------

const fileUrl = (name) => cards.get(name).querySelector("a[download]").href;

function jump(button) {
  const player = button.closest(".card").querySelector("video, audio");
  if (player.duration) player.currentTime = player.duration * Number(button.dataset.jump);
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
  const card = button.closest(".card");
  const ranges = pieces(Number(card.dataset.completeLength), Number(button.dataset.take));
  const headers = { Range: `bytes=${ranges.join(",")}` };
  const answer = await ownRequest(fileUrl(card.dataset.file), { headers, cache: "no-store" });
  await answer.body.cancel();
}

document.querySelectorAll("[data-jump]").forEach((button) => button.addEventListener("click", () => jump(button)));
document.querySelectorAll("[data-take]").forEach((button) => button.addEventListener("click", () => takePieces(button)));

// --- Commands to copy ---------------------------------------------------------------------------------------------

function select(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}

async function copy(button) {
  const command = button.closest(".card").querySelector(".command code");
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

async function fill(button) {
  const { fill: field, value } = button.dataset;
  const input = byId(`field-${field}`);
  if (value === "beyond") {
    input.value = `bytes=${cards.get(form.elements.file.value).dataset.completeLength}-`;
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

function showAnswer(mount, answer, reason) {
  const status = element("p", { className: "status" }, answer.status_line);
  status.dataset.class = answer.status_line.split(" ")[1][0];
  const body = document.querySelector(`[data-mount="${mount}"] .body`);
  body.replaceChildren(status, ...marksOf(answer), reason, element("h4", {}, "Headers"), lines(answer.fields, true),
    ...contentOf(answer), requestOf(answer));
}

function showAnswers({ rangeware, plain, plan }) {
  showAnswer("rangeware", rangeware, why(plan));
  showAnswer("plain", plain, element("p", { className: "why" }, element("small", {}, "Flask gives no reason.")));
  byId("answers").hidden = false;
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
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(question());
    const answer = await fetch(document.body.dataset.inspect, { method: "POST", headers, body });
    const result = await answer.json();
    if (result.error) note(result.error, true);
    else showAnswers(result);
  } catch {
    note("The demo does not respond. Is it still running?", true);
  }
}

function clear(reset) {
  reset.preventDefault(); // the default reset would restore the first example
  inputs.forEach((input) => { input.value = ""; });
  byId("answers").hidden = true;
  note("");
}

form.addEventListener("submit", ask);
form.addEventListener("reset", clear);
form.querySelectorAll("[data-fill]").forEach((button) => button.addEventListener("click", () => fill(button)));
