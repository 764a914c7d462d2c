// The way to the key: its live events, and what the person does to it, in order.

import { language } from "./texts.js";

const GONE_AFTER_MS = 6000;
const AGAIN_AFTER_MS = 2000;

let last = Promise.resolve();

/** Sends one act after the other: digits must not overtake each other. */
export function post(path, body, onRefused) {
  const sent = last.then(() => send(path, body, onRefused));
  last = sent.catch(() => {}); // one that failed does not hold up the next
  return sent;
}

async function send(path, body, onRefused) {
  const headers = { "Content-Type": "application/json", "Accept-Language": language };
  const request = { method: "POST", headers, body: JSON.stringify(body) };
  const answer = await fetch(path, request).catch(() => null); // a lost connection: the live events tell of it
  if (answer) onRefused((await answer.json()).error ?? "");
}

/**
 * Listens to the key for good.
 *
 * @param handlers what to do with each kind of event: key, screen, apdu
 * @param onState told of "live", "lost", "gone" and "closed" (the ticket or token is not valid any more)
 */
export function listen(handlers, onState) {
  let gone = 0;
  const lost = () => {
    onState("lost");
    gone ||= setTimeout(() => onState("gone"), GONE_AFTER_MS);
  };
  const live = () => {
    clearTimeout(gone);
    gone = 0;
    onState("live");
  };
  const refused = async () => {
    const answer = await fetch("key").catch(() => null);
    if (answer?.status === 401) {
      clearTimeout(gone);
      onState("closed");
    } else {
      setTimeout(open, AGAIN_AFTER_MS);
    }
  };
  const open = () => {
    const source = new EventSource("live");
    source.onopen = live;
    source.onerror = () => {
      lost();
      if (source.readyState === EventSource.CLOSED) refused();
    };
    for (const [kind, handle] of Object.entries(handlers)) {
      source.addEventListener(kind, (event) => handle(JSON.parse(event.data)));
    }
  };
  open();
}
