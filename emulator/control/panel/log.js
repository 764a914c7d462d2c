// The log of APDUs: newest first, each with its bytes to unfold.

import { byId, make } from "./dom.js";
import { t } from "./texts.js";

const MOST_ROWS = 500;
const NOT_THE_HOSTS_FAULT = new Set(["6a9e", "6ff0", "6ff1", "6ff6"]); // more data, a person's no, time, busy

const rows = new Map(); // number -> { apdu, row }, oldest first

/** Puts an APDU at the top, or its answer into the row that it has. */
export function showApdu(apdu) {
  const known = rows.get(apdu.number);
  const row = drawRow(apdu, known?.row.querySelector("details").open ?? false);
  rows.set(apdu.number, { apdu, row });
  if (known) known.row.replaceWith(row);
  else byId("rows").prepend(row);
  row.hidden = !matches(apdu);
  if (rows.size > MOST_ROWS) dropOldest();
  byId("no-rows").hidden = true;
}

/** Draws every row again: the language has changed. */
export function redrawLog() {
  for (const { apdu } of [...rows.values()]) showApdu(apdu);
}

/** Shows the rows alone that hold what is in the filter. */
export function filterLog() {
  for (const { apdu, row } of rows.values()) row.hidden = !matches(apdu);
}

/** The rows that are shown, oldest first, as lines of text. */
export function logAsText() {
  const shown = [...rows.values()].filter(({ row }) => !row.hidden);
  return shown.map(({ apdu }) => `${line(apdu)}\n`).join("");
}

function dropOldest() {
  const [number, { row }] = rows.entries().next().value;
  row.remove();
  rows.delete(number);
}

function matches(apdu) {
  return line(apdu).toLowerCase().includes(byId("filter").value.trim().toLowerCase());
}

function line(apdu) {
  const sent = [apdu.header, apdu.data ?? t("data withheld")].join(" ").trim();
  const came = apdu.pending ? "…" : [apdu.answer, apdu.sw ?? "-", meaning(apdu)].filter(Boolean).join(" ");
  return `${apdu.number} ${apdu.name}: ${sent} > ${came}`;
}

function drawRow(apdu, open) {
  const summary = make(
    "summary",
    {},
    make("span", { class: "command" }, apdu.name || t("unknown command")),
    status(apdu),
    make("span", { class: "small quiet mono" }, `${apdu.number} · ${spaced(apdu.header)}`),
    make("span", { class: "small quiet" }, apdu.pending ? t("waits") : t("{ms} ms", { ms: apdu.ms < 10 ? +apdu.ms.toFixed(1) : Math.round(apdu.ms) })),
  );
  if (!apdu.pending && apdu.sw !== "9000") summary.append(make("span", { class: "small why" }, meaning(apdu)));
  const details = make("details", {}, summary, bytes(apdu));
  details.open = open;
  return make("li", { "data-number": apdu.number, "data-pending": apdu.pending }, details);
}

function status(apdu) {
  if (apdu.pending) return make("span", { class: "sw", "data-tone": "calm" }, make("i", { class: "spinner" }));
  return make("span", { class: "sw mono", "data-tone": tone(apdu.sw) }, apdu.sw?.toUpperCase() ?? "-");
}

function tone(sw) {
  if (sw === "9000") return "good";
  return NOT_THE_HOSTS_FAULT.has(sw) ? "warn" : "bad";
}

function meaning({ sw, meaning: english }) {
  return sw === null ? t("power was lost") : t(english);
}

function bytes(apdu) {
  const parts = [fact(t("Status"), apdu.pending ? t("waits for a person") : meaning(apdu))];
  if (apdu.lc) parts.push(fact(t("Data, {length} bytes", { length: apdu.lc }), hex(apdu.data)));
  if (apdu.answer_length) parts.push(fact(t("Answer, {length} bytes", { length: apdu.answer_length }), hex(apdu.answer)));
  return make("dl", { class: "bytes" }, ...parts.flat());
}

function fact(label, value) {
  return [make("dt", {}, label), make("dd", {}, value)];
}

function hex(data) {
  if (data === null) return make("em", {}, t("withheld: a PIN, a code or a key"));
  return make("code", { class: "mono" }, spaced(data));
}

function spaced(digits) {
  return digits.toUpperCase().replace(/..(?=.)/g, "$& ");
}
