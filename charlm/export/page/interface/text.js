/* The interface of a page that holds a model: what a person touches. The model itself is in a worker (worker.js has the
 * messages). All that comes from the model or from a person is put into the page as text, and never as markup.
 *
 * This file has what all the others use: the elements, texts and numbers.
 */

const root = document.querySelector(".playground");
const find = (selector, from = root) => from.querySelector(selector);
const settings = JSON.parse(find(".settings").textContent); // see ``playground`` in __init__.py

/** A text in which every control and format character is visible, as the terminal shows it (text/visible.py). */
function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0), digits = (width) => code.toString(16).padStart(width, "0");
    if (character === "\n" || character === "\t") return character;
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return code < 0x100 ? "\\x" + digits(2) : code < 0x10000 ? "\\u" + digits(4) : "\\U" + digits(8);
  });
}

/** The name of a token: white space is visible too. */
function named(text) {
  return visible(text).replaceAll(" ", "\u2423").replaceAll("\t", "\u21e5").replaceAll("\n", "\u21b5") || "\u2205";
}

function percent(p) {
  const value = 100 * p;
  if (value < 0.1) return value ? "< 0.1 %" : "0 %";
  return `${value.toFixed(value < 10 || (value >= 99 && value < 99.95) ? 1 : 0)} %`;
}

const number = (value) => value.toLocaleString("en");
const counted = (value, noun) => `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
const bits = (nats) => nats / Math.LN2;
const band = (nats) => settings.bands.filter((edge) => bits(nats) >= edge).length;

/** A new element with a class and a text. */
function made(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

/** Ask when the text of a field has changed; the field grows with it. */
function listenTo(field, ask) {
  const grow = () => { // where the browser knows no field-sizing
    if (CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = field.scrollHeight + "px";
  };
  field.addEventListener("input", () => { grow(); ask(); });
  grow();
}
