// The panel: a key's face in the browser, and everything beside it.

import { byId, make } from "./dom.js";
import { buttonsOf, Face } from "./face.js";
import { showFacts, tick } from "./facts.js";
import { filterLog, logAsText, redrawLog, showApdu } from "./log.js";
import { keepLanguage, language, N_, preferredLanguage, speak, t } from "./texts.js";
import { listen, post } from "./wire.js";

const KINDS = {
  "display-2g": N_("Second generation, with display"),
  smart: N_("Smart key with keypad"),
  bluetooth: N_("Bluetooth key"),
  direct: N_("Direct-connect key"),
  "first-gen": N_("First generation, without display"),
};
const STATES = {
  lost: N_("The connection to the key is lost. Trying again …"),
  gone: N_("The key has gone. Once it runs again, open its page anew: vukey key panel"),
  closed: N_("This page is not open any more. Open it anew: vukey key panel"),
};
const KEYBOARD = {
  Enter: "ok",
  Escape: "cancel",
  Backspace: "cancel",
  c: "cancel",
  C: "cancel",
  ArrowUp: "up",
  ArrowLeft: "up",
  ArrowDown: "down",
  ArrowRight: "down",
  o: "power",
  O: "power",
};
const TICK_MS = 250;

const face = new Face(byId("dock"), byId("screen-text"), press);
let key = null;
let screen = null;
let state = "live";

// What comes from the key

function onKey(now) {
  key = now;
  face.draw(key);
  showFacts(key);
  showHead();
  showPlug();
  if (screen) face.show(screen);
}

function onScreen(now) {
  screen = now;
  if (key) face.show(screen);
}

function onState(now) {
  state = now;
  document.body.dataset.state = state;
  showTrouble(STATES[state] ? t(STATES[state]) : "");
}

// What is shown

function showHead() {
  byId("title").textContent = language === "zh" ? key.title_zh : key.title;
  document.title = `${byId("title").textContent} · vukey`;
  byId("model").textContent = [t(KINDS[key.kind]), key.profile, key.serial].join(" · ");
  const hints = [["Enter", "OK", "ok"], ["Esc", "C", "cancel"], ["↑ ↓", t("pages"), "up"], ["0–9", t("digits"), "0"], ["O", t("on/off"), "power"]];
  const buttons = buttonsOf(key);
  const legend = hints.filter(([, , button]) => buttons.includes(button));
  legend.push(["P", t("plug")]);
  byId("legend").replaceChildren(...legend.map(([stroke, does]) => make("span", {}, make("kbd", {}, stroke), ` ${does}`)));
}

function showPlug() {
  byId("plug").setAttribute("aria-checked", key.plugged);
  byId("plug-state").textContent = key.plugged ? t("Plugged in") : t("Unplugged");
}

function showTrouble(text) {
  const trouble = byId("trouble");
  trouble.hidden = !text;
  trouble.textContent = text;
}

// What the person does

function act(path, body = {}) {
  return post(path, body, (error) => state === "live" && showTrouble(error));
}

function press(name) {
  return act(`button/${name}`, { action: "press-and-release" });
}

function togglePlug() {
  return act(key.plugged ? "unplug" : "plug");
}

function onKeyboard(event) {
  if (!key || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const isEnter = event.key === "Enter" || event.key === " ";
  if (isEnter && event.target.closest("button, summary")) {
    if (event.repeat) event.preventDefault(); // held down, it is one press
    return; // the browser itself presses what has the focus
  }
  const name = KEYBOARD[event.key] ?? event.key;
  if (event.key.toLowerCase() === "p") {
    if (!event.repeat) togglePlug();
  } else if (buttonsOf(key).includes(name)) {
    event.preventDefault();
    if (event.repeat) return;
    face.flash(name);
    press(name);
  }
}

async function copyLog() {
  await navigator.clipboard.writeText(logAsText());
  byId("said").textContent = t("Copied.");
}

async function chooseLanguage(chosen) {
  await speak(chosen);
  const other = language === "zh" ? "en" : "zh";
  byId("language").textContent = { en: "English", zh: "中文" }[other];
  byId("language").lang = other;
  redrawLog();
  if (key) onKey(key);
  if (STATES[state]) onState(state);
}

function onLanguageButton() {
  const other = language === "zh" ? "en" : "zh";
  keepLanguage(other);
  return chooseLanguage(other);
}

// Start

byId("plug").addEventListener("click", togglePlug);
byId("language").addEventListener("click", onLanguageButton);
byId("filter").addEventListener("input", filterLog);
byId("copy").addEventListener("click", copyLog);
byId("copy").hidden = !navigator.clipboard; // a browser gives it to pages of this machine alone
byId("battery-level").addEventListener("change", (event) => act("battery", { level: Number(event.target.value) }));
for (const button of document.querySelectorAll("[data-advance]")) {
  button.addEventListener("click", () => act("clock", { advance: Number(button.dataset.advance) }));
}
document.addEventListener("keydown", onKeyboard);
setInterval(() => key && state === "live" && tick(), TICK_MS);
await chooseLanguage(preferredLanguage());
listen({ key: onKey, screen: onScreen, apdu: showApdu }, onState);
