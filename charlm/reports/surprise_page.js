"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const list = document.getElementById("lines"), tip = document.getElementById("tip");
const items = Array.from(list.children);
items.forEach((item, number) => { item.querySelector("p").figures = data.lines[number]; });
let here = null;

function percent(p) {
  const value = 100 * p;
  return (value >= 10 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : value.toPrecision(1)) + " %";
}

function cell(row, text) { const made = row.insertCell(); made.textContent = text; return made; }

function show(token) {
  hide();
  if (!token) return;
  here = token;
  token.classList.add("here");
  const [p, ...others] = token.parentNode.figures[Array.prototype.indexOf.call(token.parentNode.children, token)];
  const table = document.createElement("table"), own = table.insertRow();
  own.className = "own";
  cell(own, token.textContent === " " ? "\u2423" : token.textContent);
  cell(own, percent(p));
  cell(own, (p > 0 ? Math.max(0, -Math.log2(p)).toFixed(1) : "more than 100") + " bits");
  for (let i = 0; i < others.length; i += 2) {
    const row = table.insertRow(), bar = document.createElement("i");
    cell(row, data.names[others[i]]);
    cell(row, percent(others[i + 1]));
    bar.style.width = 100 * others[i + 1] + "%";
    row.insertCell().append(bar);
  }
  tip.replaceChildren(table);
  tip.hidden = false;
  const at = token.getClientRects()[0], box = tip.getBoundingClientRect();
  const left = Math.min(Math.max(8, at.left), document.documentElement.clientWidth - box.width - 8);
  const below = at.bottom + 8;
  tip.style.left = left + "px";
  tip.style.top = (below + box.height < innerHeight ? below : Math.max(8, at.top - box.height - 8)) + "px";
}

function hide() {
  if (here) here.classList.remove("here");
  here = null;
  tip.hidden = true;
}

list.addEventListener("pointerover", (event) => show(event.target.closest("b")));
list.addEventListener("click", (event) => show(event.target.closest("b")));
list.addEventListener("pointerleave", hide);
addEventListener("scroll", hide, { passive: true });
list.addEventListener("keydown", (event) => {
  const line = event.target.closest("p");
  if (!line) return;
  const within = here && here.parentNode === line ? here : null;
  if (event.key === "ArrowRight") show(within ? within.nextElementSibling || within : line.querySelector("b"));
  else if (event.key === "ArrowLeft") show(within ? within.previousElementSibling || within : line.querySelector("b"));
  else if (event.key === "Escape") hide();
  else return;
  event.preventDefault();
});
document.getElementById("order").addEventListener("change", (event) => {
  hide();
  const sorted = event.target.value === "text" ? items.slice().sort((a, b) => a.dataset.line - b.dataset.line) : items;
  list.replaceChildren(...sorted);
});
