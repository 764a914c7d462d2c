// The page's texts: English in the source, Chinese from the program's own catalogue.

const KEPT = "vukey-language";

let translations = {};

/** The language of the page: zh or en. */
export let language = "en";

/** Marks a text that is translated where it is shown. */
export const N_ = (english) => english;

/** A text in the page's language, with its values put in. */
export function t(english, values = {}) {
  const text = translations[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (hole, name) => values[name] ?? hole);
}

/** What the person chose before, else what the browser speaks. */
export function preferredLanguage() {
  const browsers = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  return localStorage.getItem(KEPT) ?? browsers;
}

/** Remembers the person's choice. */
export const keepLanguage = (chosen) => localStorage.setItem(KEPT, chosen);

/** Fetches a language's texts and puts them into the page; without them the page stays English. */
export async function speak(chosen) {
  const answer = await fetch(`panel/strings?lang=${chosen}`);
  translations = answer.ok ? await answer.json() : {};
  language = answer.ok ? chosen : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  translate(document);
}

/** Translates what is marked in a part of the page. */
export function translate(part) {
  for (const element of part.querySelectorAll("[data-i18n]")) {
    element.dataset.i18n ||= element.textContent;
    element.textContent = t(element.dataset.i18n);
  }
  for (const element of part.querySelectorAll("[data-i18n-label]")) {
    element.setAttribute("aria-label", t(element.dataset.i18nLabel));
  }
  for (const element of part.querySelectorAll("[data-i18n-placeholder]")) {
    element.placeholder = t(element.dataset.i18nPlaceholder);
  }
}
