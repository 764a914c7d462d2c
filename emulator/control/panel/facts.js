// What lies on the key and what it asks: PINs, containers, the question, the time.

import { byId, make } from "./dom.js";
import { t } from "./texts.js";

let clock = { now: 0, at: 0 };
let deadline = null;

/** Shows everything that is known about the key. */
export function showFacts(key) {
  showStage(key.applications);
  const parts = key.applications.map(application);
  byId("applications").replaceChildren(...(parts.length ? parts : [nothing(t("The key holds no application."))]));
  showAsked(key.waiting);
  showBattery(key.battery);
  clock = { now: key.clock, at: performance.now() };
  deadline = key.waiting && clock.now + key.waiting.seconds_left;
  tick();
}

/** Moves the clock and the seconds left on. */
export function tick() {
  const now = clock.now + (performance.now() - clock.at) / 1000;
  setText(byId("now"), hours(now));
  const seconds = deadline === null ? null : Math.max(Math.ceil(deadline - now), 0);
  setText(byId("left"), seconds === null ? "" : t("{seconds} s left", { seconds }));
  byId("left").dataset.short = seconds !== null && seconds <= 10;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function hours(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return parts.map((part) => String(part).padStart(2, "0")).join(":");
}

function nothing(text) {
  return make("p", { class: "quiet" }, text);
}

function chip(tone, text) {
  return make("span", { class: "chip", "data-tone": tone }, text);
}

// Stage

function showStage(applications) {
  const [tone, text] = stage(applications);
  const word = byId("stage-word");
  word.dataset.tone = tone;
  word.textContent = text;
}

function stage(applications) {
  if (!applications.length) return ["calm", t("blank")];
  const handedOver = applications.every(
    ({ user_pin: pin, containers }) => !pin.initial && containers.every(({ activated }) => activated),
  );
  return handedOver ? ["good", t("ready")] : ["warn", t("issued, not in use yet")];
}

// Applications

function application({ name, user_pin: user, admin_pin: admin, containers }) {
  return make(
    "section",
    { class: "application" },
    make("h3", {}, name),
    make("dl", { class: "pins" }, ...pin(t("User PIN"), user), ...pin(t("Administrator PIN"), admin)),
    make("ul", { class: "containers" }, ...containers.map(container)),
  );
}

function pin(label, { tries, left, initial, verified }) {
  const dots = make("span", { class: "dots", "aria-hidden": "true" });
  for (let number = 0; number < tries; number += 1) dots.append(make("i", { class: number < left ? "" : "spent" }));
  const told = make("dd", {}, dots, make("span", {}, t("{left} of {tries} tries left", { left, tries })));
  if (!left) told.append(chip("bad", t("locked")));
  if (initial) told.append(chip("warn", t("initial PIN")));
  if (verified) told.append(chip("good", t("verified")));
  return [make("dt", {}, label), told];
}

function container({
  name,
  type,
  bits,
  certificate,
  exchange_certificate: encryption,
  activated,
  activation_tries_left: left,
}) {
  const kind = { rsa: `RSA ${bits}`, sm2: "SM2", empty: t("empty") }[type];
  const item = make("li", {}, make("span", { class: "mono" }, name), make("span", { class: "quiet" }, kind));
  if (certificate) item.append(chip("calm", t("certificate")));
  if (encryption) item.append(chip("calm", t("encryption certificate")));
  if (activated) item.append(chip("good", t("activated")));
  else if (left === null) item.append(chip("warn", t("not activated")));
  else item.append(chip(left ? "warn" : "bad", t("not activated: {left} tries left for the code", { left })));
  return item;
}

// The question

function showAsked(waiting) {
  byId("ask").dataset.asking = Boolean(waiting);
  byId("asked").replaceChildren(...(waiting ? question(waiting) : [nothing(t("Nothing now."))]));
}

function question({ title, items, digits, presses, unread, ok_in: okIn }) {
  const rows = items.flatMap(([label, value]) => [make("dt", {}, label), make("dd", {}, value)]);
  const parts = [make("p", { class: "asked" }, title)];
  if (rows.length) parts.push(make("dl", { class: "items" }, ...rows));
  parts.push(make("p", { class: "quiet" }, wanted(digits, presses)));
  if (unread) parts.push(make("p", { class: "quiet" }, t("OK counts once you have seen the last page.")));
  if (okIn) parts.push(forAMoment(make("p", { class: "quiet" }, t("OK does not count in the first moment.")), okIn));
  return parts;
}

function forAMoment(element, seconds) {
  setTimeout(() => element.remove(), seconds * 1000);
  return element;
}

function wanted(digits, presses) {
  if (digits) return t("Wants {digits} digits on the keypad, then OK.", { digits });
  return presses > 1 ? t("Wants OK twice.") : t("Wants OK.");
}

// The battery

function showBattery(battery) {
  byId("battery").hidden = !battery;
  if (!battery) return;
  const slider = byId("battery-level");
  if (!slider.matches(":active")) slider.value = battery.level;
  byId("battery-text").textContent = `${battery.level} %`;
}
