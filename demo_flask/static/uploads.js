// The upload page. It speaks tus 1.0: POST creates an upload, HEAD tells its offset, PATCH appends at the offset.
//
// Nothing is stored in the browser. A file that is chosen is looked up in the server's list by its name, its length and
// its time, so an upload goes on after a reload, and in another browser too.

const PIECE = 2 ** 20; // bytes in one PATCH
const SLOW_PIECE = 2 ** 16;
const SLOW_RATE = 2 ** 19; // bytes per second
const WAITS = [500, 1000, 2000, 4000]; // milliseconds until the next try; the last one for all later tries
const SETTLED = 500; // milliseconds
const LOOK_AGAIN = [404, 409, 410, 423]; // by status: the offset is another one, or another request writes
const TOLD = { // by status: what only the user can change. Everything else is tried again.
  400: "The server does not accept this file.",
  403: "You are logged out. Load this page again, and log in.",
  413: "This file is too large.",
  507: "There is no space left for this file. Remove another one first.",
};
const CHANGED = "The file cannot be read. Was it changed or moved? Choose it again.";
const AWAY = "The server does not answer. The upload goes on by itself when it is back.";
const TROUBLE = "The server has a problem. The upload goes on by itself when it is over.";

const byId = (id) => document.getElementById(id);
const { files, list } = document.body.dataset;
const say = (text) => { byId("said").textContent = text; };

function inWords(length) {
  const [unit, power] = [["GiB", 30], ["MiB", 20], ["KiB", 10]].find((each) => length >= 2 ** each[1]) ?? ["bytes", 0];
  return `${power ? (length / 2 ** power).toFixed(1) : length} ${unit}`;
}

function sleep(milliseconds, signal) {
  return new Promise((wake) => {
    setTimeout(wake, milliseconds);
    signal?.addEventListener("abort", wake, { once: true });
  });
}

// --- Requests -----------------------------------------------------------------------------------------------------

class Failure extends Error {
  constructor(message, isFinal = false, isQuiet = false) {
    super(message);
    Object.assign(this, { isFinal, isQuiet });
  }
}

async function ask(method, url, { signal, headers, body } = {}) {
  let answer;
  try {
    const fields = { "Tus-Resumable": "1.0.0", ...headers };
    answer = await fetch(url, { method, signal, body, cache: "no-store", headers: fields });
  } catch {
    throw new Failure(AWAY);
  }
  const { ok, status } = answer;
  if (!ok) throw new Failure(TOLD[status] ?? TROUBLE, status in TOLD, LOOK_AGAIN.includes(status));
  return answer;
}

async function listed() {
  const answer = await ask("GET", list);
  try {
    return (await answer.json()).uploads;
  } catch {
    throw new Failure(AWAY);
  }
}

const offsetIn = (answer) => Number(answer.headers.get("Upload-Offset"));

function metadataOf(file) {
  const coded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  const values = { filename: file.name, filetype: file.type, modified: String(file.lastModified) };
  return Object.entries(values).map(([key, text]) => `${key} ${coded(text)}`.trim()).join(",");
}

// --- One file on its way ------------------------------------------------------------------------------------------

class Transfer {
  constructor(file, card) {
    this.file = file;
    this.card = card;
    this.stop = new AbortController();
  }

  get isStopped() {
    return this.stop.signal.aborted;
  }

  async run() {
    this.stop = new AbortController();
    const { signal } = this.stop;
    for (this.failures = 0; !signal.aborted; this.failures += 1) {
      try {
        await this.attempt(signal);
        if (signal.aborted) return;
        this.card.transfer = null;
        await refresh();
        return;
      } catch (failure) {
        if (signal.aborted) return;
        if (failure.isFinal) this.stop.abort();
        if (!failure.isQuiet) show(this.card, failure.isFinal ? "failed" : "waiting", failure.message);
        await sleep(WAITS[Math.min(this.failures, WAITS.length - 1)], signal);
      }
    }
  }

  async attempt(signal) {
    const { card, file } = this;
    const known = (await listed()).find((entry) => keyOf(entry) === keyOf(card.entry));
    Object.assign(card.entry, known ?? { url: await this.create(signal), offset: 0 });
    if (card.entry.complete) return;
    this.note(offsetIn(await ask("HEAD", card.entry.url, { signal })), signal);
    do {
      const began = performance.now();
      const piece = await this.read(byId("slow").checked ? SLOW_PIECE : PIECE);
      this.note(offsetIn(await this.append(piece, signal)), signal);
      this.failures = 0;
      const seconds = byId("slow").checked ? piece.byteLength / SLOW_RATE : 0;
      await sleep(began + 1000 * seconds - performance.now(), signal);
    } while (card.entry.offset < file.size && !signal.aborted);
  }

  async create(signal) {
    const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": metadataOf(this.file) };
    const answer = await ask("POST", files, { signal, headers });
    return new URL(answer.headers.get("Location"), document.baseURI).pathname;
  }

  async read(length) {
    const { offset } = this.card.entry;
    try {
      return await this.file.slice(offset, offset + length).arrayBuffer();
    } catch {
      throw new Failure(CHANGED, true);
    }
  }

  append(body, signal) {
    const { url, offset } = this.card.entry;
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(offset) };
    return ask("PATCH", url, { signal, headers, body });
  }

  note(offset, signal) {
    this.card.entry.offset = offset;
    if (!signal.aborted) show(this.card, "sending");
  }

  async pause() {
    this.stop.abort();
    show(this.card, "paused");
    const { url } = this.card.entry;
    await sleep(SETTLED); // some of the piece that was cut may have arrived, and is being stored
    if (!url || !this.card.isConnected) return;
    const offset = offsetIn(await ask("HEAD", url));
    if (!this.isStopped) return;
    this.card.entry.offset = offset;
    show(this.card, "paused");
  }
}

function start(chosen) {
  for (const file of chosen) {
    const entry = { name: file.name, length: file.size, modified: String(file.lastModified), offset: 0 };
    const card = [...byId("uploads").children].find((each) => keyOf(each.entry) === keyOf(entry)) ?? addCard(entry);
    card.transfer?.stop.abort();
    card.transfer = new Transfer(file, card);
    show(card, "sending");
    card.transfer.run();
  }
}

// --- Cards: one for each upload -----------------------------------------------------------------------------------

const STATES = { // what a card says, the buttons it has, and what is read out when it gets there
  sending: { text: (has) => `${has} are on the server.`, buttons: ["pause", "remove"], said: "Uploading." },
  waiting: { text: (has, why) => `${why} ${has} are there.`, buttons: ["pause", "remove"] },
  paused: { text: (has) => `Paused. ${has} are on the server.`, buttons: ["resume", "remove"], said: "Paused." },
  stopped: { text: (has) => `Stopped. ${has} are on the server. Choose the same file again, and the upload goes on.`,
    buttons: ["choose", "remove"] },
  failed: { text: (has, why) => why, buttons: ["choose", "remove"] },
  done: { text: () => "All of it is on the server.", buttons: ["download", "remove"], said: "Uploaded." },
};

const keyOf = ({ name, length, modified }) => JSON.stringify([name, length, modified]);

function addCard(entry) {
  const card = byId("card").content.firstElementChild.cloneNode(true);
  card.entry = entry;
  card.querySelector("h3").textContent = entry.name;
  card.querySelector(".length").textContent = inWords(entry.length);
  card.querySelector(".end").textContent = `${entry.length.toLocaleString("en-GB")} bytes`;
  card.querySelector("progress").setAttribute("aria-label", entry.name);
  for (const each of card.querySelectorAll("[data-do]")) {
    each.setAttribute("aria-label", `${each.textContent}: ${entry.name}`);
  }
  card.addEventListener("click", act);
  byId("uploads").prepend(card);
  byId("none").hidden = true;
  return card;
}

function show(card, state, why = "") {
  const { offset, length } = card.entry;
  const percent = 100 * (length ? offset / length : 1);
  card.querySelector(".strip i").style.width = `${percent}%`;
  card.querySelector("progress").value = percent;
  card.querySelector(".last").textContent = STATES[state].text(`${inWords(offset)} of ${inWords(length)}`, why);
  if (card.dataset.state === state) return;
  const said = why || (card.dataset.state || card.transfer ? STATES[state].said : "");
  if (said) say(`${card.entry.name}: ${said}`);
  card.dataset.state = state;
  changeButtons(card, STATES[state].buttons);
  for (const each of card.querySelectorAll(".way")) each.hidden = state === "done";
  if (state === "done") addPlayer(card);
}

function changeButtons(card, shown) {
  const focused = card.querySelector("[data-do]:focus");
  for (const each of card.querySelectorAll("[data-do]")) each.hidden = !shown.includes(each.dataset.do);
  if (focused?.hidden) card.querySelector("[data-do]:not([hidden])").focus();
}

function addPlayer(card) {
  const { kind, name, url } = card.entry;
  Object.assign(card.querySelector("a"), { href: url, download: name });
  if (!kind || card.querySelector(".player").firstChild) return;
  const player = document.createElement(kind === "image" ? "img" : kind);
  Object.assign(player, kind === "image" ? { alt: name } : { controls: true, preload: "metadata", ariaLabel: name });
  player.src = url;
  card.querySelector(".player").append(player);
}

async function act({ currentTarget: card, target }) {
  const action = target.dataset.do;
  if (action === "pause") card.transfer.pause().catch(() => {}); // the server is away: what is painted stays
  if (action === "resume") card.transfer.run();
  if (action === "choose") byId("files").click();
  if (action === "remove" && (!card.entry.complete || confirm(`Remove ${card.entry.name}?`))) await remove(card);
}

async function remove(card) {
  card.transfer?.stop.abort();
  try {
    if (card.entry.url) await ask("DELETE", card.entry.url);
  } catch (failure) {
    if (!failure.isQuiet) {
      card.querySelector(".last").textContent = "It cannot be removed now. Try again later.";
      say(`${card.entry.name}: It cannot be removed now. Try again later.`);
      return;
    }
  }
  card.remove();
  say(`${card.entry.name}: Removed.`);
  byId("none").hidden = byId("uploads").children.length > 0;
  byId("files").focus();
}

async function refresh() {
  try {
    for (const entry of (await listed()).reverse()) {
      const all = [...byId("uploads").children];
      if (all.some((each) => each.transfer && keyOf(each.entry) === keyOf(entry))) continue;
      const card = all.find((each) => each.entry.url === entry.url) ?? addCard(entry);
      card.entry = entry;
      show(card, entry.complete ? "done" : "stopped");
    }
    byId("none").hidden = byId("uploads").children.length > 0;
  } catch (failure) {
    say(failure.message);
    if (failure.isFinal) return;
    await sleep(WAITS.at(-1));
    await refresh();
  }
}

// --- Choosing and dropping ----------------------------------------------------------------------------------------

byId("files").addEventListener("change", ({ target }) => {
  start(target.files);
  target.value = ""; // so that the same file can be chosen again
});
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault(); // the browser would open the file
    byId("drop").classList.toggle("over", type === "dragover");
    if (type === "drop") start(event.dataTransfer.files);
  });
}
refresh();
