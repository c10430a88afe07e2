// A blind listening test. Nothing leaves this page but the file that the listener saves.
"use strict";
(() => {
const byId = (id) => document.getElementById(id);
const plan = revealed(byId("plan").textContent);
const sounds = JSON.parse(byId("sounds").textContent);
const asked = new URLSearchParams(location.search);
// Two links to the page, say with other seeds, are two tests.
const place = `listening/${plan.test}${location.search}`;

let state = null;   // {listener, seed, answers: [{choice, seconds, plays}]}
let order = [];     // [{pair, sides: [which of its two is left, which is right]}]
let step = "";
let players = [];   // of the recordings at hand: {sound, url, plays, heard}
let last = 0;
let began = 0;

// The plan is set so that nobody reads it in passing; see the documentation for what that is worth.
function revealed(hidden) {
  const bytes = Uint8Array.from(atob(hidden), (letter) => letter.charCodeAt(0));
  const key = document.currentScript.dataset.key;
  return JSON.parse(new TextDecoder().decode(bytes.map((byte, at) => byte ^ key.charCodeAt(at % key.length))));
}

// --- chance: the same seed gives the same order on every machine (mulberry32)
function dice(seed) {
  let now = seed >>> 0;
  return () => {
    now = (now + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(now ^ (now >>> 15), now | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
function shuffled(items, roll) {
  const list = [...items];
  for (let at = list.length - 1; at > 0; at--) {
    const other = Math.floor(roll() * (at + 1));
    [list[at], list[other]] = [list[other], list[at]];
  }
  return list;
}
// Pairs in random order, as often one way round as the other; catch trials spread, one in each equal stretch.
function drawn(seed) {
  const roll = dice(seed);
  const list = shuffled(plan.pairs.filter((pair) => !pair.catch), roll);
  const checks = shuffled(plan.pairs.filter((pair) => pair.catch), roll);
  const stretch = list.length / checks.length;
  checks.forEach((check, at) => list.splice(at + Math.floor((at + roll()) * stretch), 0, check));
  const turns = (count) => shuffled(Array.from({ length: count }, (_, at) => at % 2), roll);
  const plain = turns(list.length - checks.length), caught = turns(checks.length);
  return list.map((pair) => ({ pair, sides: (pair.catch ? caught : plain).pop() ? [1, 0] : [0, 1] }));
}

// --- what is kept on the device, so that a test can be gone on with
function keep() {
  try {
    localStorage.setItem(place, JSON.stringify(state));
    return true;
  } catch {
    return false;
  }
}
function kept() {
  try {
    return JSON.parse(localStorage.getItem(place));
  } catch {
    return null;
  }
}
function forget() {
  try {
    localStorage.removeItem(place);
  } catch { /* it was never kept */ }
  state = null;
  byId("begin").reset();
  show("welcome");
}

// --- steps
function show(name) {
  silence();
  step = name;
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  say("");
  document.querySelector(`#${name} h1`).focus({ preventScroll: true });
  scrollTo(0, 0);
}
function say(text) {
  byId("status").textContent = text;
}
function begin(event) {
  event.preventDefault();
  const named = byId("name").value.trim() || asked.get("listener") || `L${number().toString(36)}`;
  const given = Number.parseInt(asked.get("seed"), 10);
  state = { listener: named, seed: Number.isNaN(given) ? number() : given >>> 0, answers: [] };
  order = drawn(state.seed);
  keep();
  level();
}
function number() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
function level() {
  show("level");
  load([plan.sample]);
}
function start() {
  if (players[0].heard) ask();
  else say("Play the recording first, to its end.");
}
function ask() {
  const at = state.answers.length;
  if (at >= order.length) return finish();
  const { pair, sides } = order[at];
  const [before, ...after] = plan.question.split("{emotion}");
  const words = [document.createTextNode(before)];
  for (const text of after) {
    const emotion = document.createElement("em");
    emotion.textContent = pair.emotion;
    words.push(emotion, document.createTextNode(text));
  }
  byId("question").replaceChildren(...words);
  byId("progress").value = at;
  byId("count").textContent = `Pair ${at + 1} of ${order.length}`;
  for (const radio of radios()) radio.checked = false;
  const source = document.querySelector(".source");
  if (source) source.hidden = pair.source === null;
  show("trial");
  load([...sides.map((side) => pair.sides[side][1]), ...(pair.source === null ? [] : [pair.source])]);
  began = performance.now();
}
function confirm() {
  const choice = radios().findIndex((radio) => radio.checked);
  if (!ready()) {
    const unheard = [0, 1].filter((side) => !players[side].heard).map((side) => side + 1);
    if (unheard.length === 2) say("Listen to both recordings first, to the end.");
    else if (unheard.length === 1) say(`Listen to recording ${unheard[0]} first, to the end.`);
    else say("Choose one of the two first.");
    return;
  }
  const seconds = Math.round(performance.now() - began) / 1000;
  state.answers.push({ choice, seconds, plays: players.slice(0, 2).map((player) => player.plays) });
  const safe = keep();
  ask();
  if (!safe) say("This browser keeps nothing: do not close the page before you have saved your answers.");
}
function ready() {
  return players[0].heard && players[1].heard && radios().some((radio) => radio.checked);
}
function pause() {
  const safe = keep();
  show("paused");
  byId("kept").textContent = safe
    ? `${state.answers.length} of ${order.length} pairs are done. Your answers are kept in this browser, on this`
      + " device: you may close the page, and open it again to go on."
    : `${state.answers.length} of ${order.length} pairs are done. This browser keeps nothing, so do not close the`
      + " page before you have saved your answers.";
}
function finish() {
  byId("file").textContent = fileName();
  byId("code").textContent = state.listener;
  show("done");
}

// --- playing and choosing
function load(which) {
  silence();
  for (const { url } of players) URL.revokeObjectURL(url);
  players = which.map((at) => {
    const bytes = Uint8Array.from(atob(sounds[at]), (letter) => letter.charCodeAt(0));
    const url = URL.createObjectURL(new Blob([bytes], { type: "audio/flac" }));
    const player = { sound: new Audio(url), url, plays: 0, heard: false };
    player.sound.addEventListener("ended", () => { player.heard = true; update(); });
    player.sound.addEventListener("pause", update);
    return player;
  });
  last = 0;
  update();
}
function silence() {
  for (const { sound } of players) sound.pause();
}
function play(at) {
  const player = players[at];
  if (!player) return;
  silence();
  say("");
  last = at;
  player.sound.currentTime = 0;
  player.sound.play().then(
    () => { player.plays += 1; update(); },
    (error) => { if (error.name !== "AbortError") say(`This browser could not play the recording: ${error.message}`); },
  );
}
function choose(at) {
  const radio = radios()[at];
  radio.checked = true;
  radio.focus();
  say("");
  update();
}
function radios() {
  return [...document.querySelectorAll("#trial input[type=radio]")];
}
function update() {
  for (const button of document.querySelectorAll(`#${step} [data-play]`)) {
    const player = players[button.dataset.play];
    button.classList.toggle("playing", Boolean(player && !player.sound.paused));
    button.classList.toggle("heard", Boolean(player?.heard));
  }
  if (step === "trial") document.querySelector("#trial .main").setAttribute("aria-disabled", String(!ready()));
  if (step === "level") document.querySelector("#level .main").setAttribute("aria-disabled", String(!players[0].heard));
}
function draw() {
  for (const bar of document.querySelectorAll(`#${step} .bar span`)) {
    const button = bar.parentElement.parentElement.querySelector("[data-play]");
    const sound = players[button.dataset.play]?.sound;
    bar.style.width = sound && !sound.paused ? `${(100 * sound.currentTime) / (sound.duration || 1)}%` : "0";
  }
  requestAnimationFrame(draw);
}

// --- the file
function fileName() {
  return `listening-${state.listener.replace(/[^\w-]+/g, "_")}.csv`;
}
function table() {
  const rows = state.answers.map(({ choice, seconds, plays }, at) => {
    const { pair, sides } = order[at];
    const [left, right] = sides.map((side) => pair.sides[side][0]);
    return {
      test: plan.test, question: plan.question, listener: state.listener, seed: state.seed, trial: at + 1,
      pair: pair.id, emotion: pair.emotion, left, right, choice: ["left", "right"][choice], seconds,
      plays_left: plays[0], plays_right: plays[1],
      // In a catch trial the first of the pair is right; here stands on which side it was.
      catch: pair.catch ? ["left", "right"][sides.indexOf(0)] : "",
    };
  });
  const quoted = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const lines = rows.map((row) => plan.columns.map((name) => quoted(row[name])).join(","));
  return [plan.columns.join(","), ...lines, ""].join("\n");
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([table()], { type: "text/csv" }));
  link.download = fileName();
  link.click();
  say(`Saved as ${link.download}.`);
}

// --- keys and buttons
const actions = { start, confirm, pause, resume: ask, save, forget };
const keys = {
  welcome: {},
  level: { " ": () => play(0), 1: () => play(0), Enter: start },
  trial: {
    1: () => play(0), 2: () => play(1), 3: () => play(2), " ": () => play(last),
    ArrowLeft: () => choose(0), ArrowRight: () => choose(1), Enter: confirm,
  },
  paused: { Enter: ask },
  done: { Enter: save },
};
addEventListener("keydown", (event) => {
  const action = keys[step][event.key];
  if (!action || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  // Buttons do what they say, and a radio that is not chosen yet is chosen by the space key, as everywhere.
  const pressed = [" ", "Enter"].includes(event.key) && event.target.closest("button, summary");
  const chosen = event.key === " " && event.target.matches("input[type=radio]:not(:checked)");
  if (pressed || chosen) return;
  event.preventDefault();
  action();
});
addEventListener("click", (event) => {
  const button = event.target.closest("[data-play], [data-do]");
  if (!button) return;
  if (button.dataset.play) play(Number(button.dataset.play));
  else actions[button.dataset.do]();
});
for (const radio of radios()) radio.addEventListener("change", update);
byId("begin").addEventListener("submit", begin);
byId("name").value = asked.get("listener") ?? "";

state = kept();
if (state === null) show("welcome");
else {
  order = drawn(state.seed);
  if (state.answers.length >= order.length) finish();
  else if (state.answers.length) pause();
  else level();
}
draw();
})();
