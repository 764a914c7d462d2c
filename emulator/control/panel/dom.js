// Making and finding elements. Text goes in as text, never as markup.

/** An element with its attributes and children; an attribute that is null or false is left out. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The element of that id. */
export const byId = (id) => document.getElementById(id);
