// The key's face, drawn from what its profile says: body, screen, buttons, light, plug.

import { make } from "./dom.js";
import { N_, t, translate } from "./texts.js";

const LABELS = {
  ok: N_("OK: confirm"),
  cancel: N_("C: cancel"),
  up: N_("Page up"),
  down: N_("Page down"),
  power: N_("Power"),
};
const FACES = { ok: "OK", cancel: "C", up: "", down: "", power: "" }; // without text: drawn by the style sheet
const BESIDE = ["cancel", "up", "down", "ok"];
const KEYPAD = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "cancel", "0", "ok"];
const INK = { lcd: [32, 42, 30, 255], oled: [206, 239, 255, 255] };

const WIDE_FROM = 540;
const AROUND_SCREEN = { wide: 310, tall: 64 }; // what body, buttons, port and the plug's way take, in CSS pixels
const LARGEST_SCALE = 3;
const LIGHT_SHOWS_MS = 1600; // a signature takes less: the light is seen for as long as on a real key
const PRESS_SHOWS_MS = 140;

/** Every button of the key, its keypad's digits included. */
export const buttonsOf = (key) => [...key.buttons, ...(key.keypad ? "0123456789" : "")];

/** One key on its dock. `press` is called with the name of a button. */
export class Face {
  constructor(dock, text, press) {
    this.dock = dock;
    this.text = text;
    this.press = press;
    this.buttons = new Map();
    this.darkAt = 0;
    new ResizeObserver(() => this.fit()).observe(dock.parentElement);
  }

  /** Draws the key as it is now; its body is built once. */
  draw(key) {
    if (!this.body) this.build(key);
    const { dataset } = this.dock;
    dataset.plugged = key.plugged;
    dataset.lit = key.plugged || Boolean(key.battery?.on);
    if (key.battery) this.drawBattery(key.battery);
  }

  /** Shows a screen; what it says is there for a screen reader too. */
  show(screen) {
    this.dock.dataset.screen = screen.kind;
    const page = screen.pages > 1 ? [`${screen.page}/${screen.pages}`] : [];
    const said = [...screen.lines, ...page].join("\n");
    if (this.text.textContent !== said) this.text.textContent = said;
    if (this.canvas) paint(this.canvas, screen, INK[this.display.type]);
    if (this.light) this.shine(screen.kind === "light");
  }

  /** Shows a button going down that was pressed on the keyboard. */
  flash(name) {
    const button = this.buttons.get(name);
    button?.classList.add("pressed");
    setTimeout(() => button?.classList.remove("pressed"), PRESS_SHOWS_MS);
  }

  build(key) {
    const { display } = key;
    this.display = display;
    this.keypad = key.keypad;
    this.dock.dataset.kind = key.kind;
    this.dock.dataset.display = display?.type ?? "none";
    this.dock.dataset.keypad = key.keypad;
    const front = display ? this.screen(display) : this.lamp();
    const name = make("p", { class: "name" }, make("span", {}, key.maker), make("span", {}, key.serial));
    this.body = make("div", { class: "body" }, front, ...this.controls(key), name);
    if (key.battery) name.append((this.gauge = make("span", { class: "gauge", role: "img" }, make("i"))));
    const plug = make("div", { class: "plug", "aria-hidden": "true" });
    const port = make("div", { class: "port", "aria-hidden": "true" });
    this.dock.replaceChildren(port, make("div", { class: "key" }, plug, this.body));
    translate(this.dock);
    this.fit();
  }

  screen({ width, height }) {
    this.canvas = make("canvas", { width, height, role: "img", "aria-labelledby": this.text.id });
    return make("div", { class: "bezel" }, make("div", { class: "glass" }, this.canvas));
  }

  lamp() {
    this.light = make("span", { class: "light", role: "img", "data-i18n-label": N_("Light") });
    return this.light;
  }

  controls(key) {
    const buttons = buttonsOf(key);
    const onKeypad = key.keypad ? KEYPAD.filter((name) => buttons.includes(name)) : [];
    const beside = BESIDE.filter((name) => buttons.includes(name) && !onKeypad.includes(name));
    const groups = [];
    if (buttons.includes("power")) groups.push(this.button("power"));
    if (beside.length) groups.push(this.group("beside", beside));
    if (onKeypad.length) groups.push(this.group("keypad", onKeypad));
    return groups;
  }

  group(kind, names) {
    return make("div", { class: kind }, ...names.map((name) => this.button(name)));
  }

  button(name) {
    const attributes = { type: "button", class: `knob ${LABELS[name] ? name : "digit"}`, "data-button": name };
    if (LABELS[name]) attributes["data-i18n-label"] = LABELS[name];
    const button = make("button", attributes, FACES[name] ?? name);
    button.addEventListener("click", () => this.press(name));
    // A press with mouse or finger leaves the focus where it is: Enter stays OK.
    button.addEventListener("mousedown", (event) => event.preventDefault());
    this.buttons.set(name, button);
    return button;
  }

  drawBattery({ level, on }) {
    this.gauge.dataset.low = level <= 20;
    this.gauge.dataset.on = on;
    this.gauge.firstChild.style.width = `${level}%`;
    this.gauge.setAttribute("aria-label", t("Battery {level} %", { level }));
  }

  shine(lit) {
    const now = performance.now();
    if (lit) {
      this.darkAt = now + LIGHT_SHOWS_MS;
      this.light.classList.add("blinking");
    } else {
      clearTimeout(this.dim);
      this.dim = setTimeout(() => this.light.classList.remove("blinking"), Math.max(this.darkAt - now, 0));
    }
  }

  /** Fits the key to the room: its form, and a whole number of CSS pixels for each of the screen's. */
  fit() {
    if (!this.body) return;
    const room = this.dock.parentElement.clientWidth;
    const form = room >= WIDE_FROM && !this.keypad ? "wide" : "tall";
    this.dock.dataset.form = form;
    if (!this.canvas) return;
    const most = this.keypad ? 2 : LARGEST_SCALE;
    const scale = Math.min(Math.floor((room - AROUND_SCREEN[form]) / this.display.width), most);
    const width = scale >= 1 ? scale * this.display.width : room - AROUND_SCREEN[form];
    this.canvas.style.width = `${width}px`;
    this.dock.style.setProperty("--dot", `${Math.max(scale, 1)}px`);
  }
}

function paint(canvas, screen, ink) {
  const { width, height } = canvas;
  const bits = Uint8Array.from(atob(screen.bits ?? ""), (character) => character.charCodeAt(0));
  const stride = Math.ceil(width / 8);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (bits[y * stride + (x >> 3)] & (0x80 >> (x & 7))) image.data.set(ink, 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
  canvas.dataset.number = screen.number;
}
