// Elements from texts. Every text goes in as text: nothing here, or anywhere, reads markup, and an
// address in a message stays words, for a link that a message brings is one that it could bait with.

const SVG = "http://www.w3.org/2000/svg";

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
}

function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

// A place inside this page; the parts are numbers and names of our own.
function link(place, attributes, ...children) {
  return el("a", { ...attributes, href: `#${place}` }, ...children);
}

// What somebody else wrote, in the direction that it is written in.
function theirs(tag, text, attributes = {}) {
  return el(tag, { dir: "auto", ...attributes }, String(text ?? ""));
}

function time(at, words) {
  return el("time", { datetime: Number.isNaN(at) ? null : new Date(at).toISOString() }, words);
}

function heading(words, lede) {
  return el("header", { class: "heading" },
    el("h1", { tabindex: "-1" }, words), lede ? el("p", { class: "lede" }, lede) : "");
}

function nothing(words, hint) {
  return el("div", { class: "nothing" }, el("p", {}, words), hint ? el("p", {}, hint) : "");
}

const FENCE = /^ {0,3}(```+|~~~+)/;
const BULLET = /^\s*[-*•]\s+(.+)/;
const TITLE = /^ {0,3}#{1,6}\s+(.+)/;

// A text as what people mean by its marks: code blocks, lists, titles, and paragraphs whose line
// breaks stay. What is no such mark is shown as it stands.
function prose(text, attributes) {
  const holder = el("div", attributes);
  let lines = [];
  let fence = "";
  const flush = () => {
    const block = lines.join("\n");
    lines = [];
    if (fence) holder.append(el("pre", { tabindex: "0" }, theirs("code", block)));
    else if (block) holder.append(el("p", { dir: "auto" }, inline(block)));
  };
  const within = (line) => {
    const mark = FENCE.exec(line)?.[1] ?? "";
    if (fence ? mark.startsWith(fence) && line.trim() === mark : mark) {
      flush();
      fence = fence ? "" : mark;
    } else if (fence || (line.trim() && !BULLET.test(line) && !TITLE.test(line))) lines.push(line);
    else {
      flush();
      if (TITLE.test(line)) holder.append(el("p", { dir: "auto" }, el("strong", {}, inline(TITLE.exec(line)[1]))));
      else if (BULLET.test(line)) bullet(holder, BULLET.exec(line)[1]);
    }
  };
  String(text ?? "").split("\n").forEach(within);
  flush();
  return holder;
}

function bullet(holder, text) {
  if (holder.lastChild?.tagName !== "UL") holder.append(el("ul"));
  holder.lastChild.append(el("li", { dir: "auto" }, inline(text)));
}

const INLINE = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(?<![\w*])\*([^*\n]+)\*(?![\w*])/g;

function inline(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(INLINE)) {
    const [whole, code, strong, emphasis] = found;
    parts.push(text.slice(end, found.index));
    if (code !== undefined) parts.push(el("code", {}, code));
    else if (strong !== undefined) parts.push(el("strong", {}, inline(strong)));
    else parts.push(el("em", {}, inline(emphasis)));
    end = found.index + whole.length;
  }
  return [...parts, text.slice(end)];
}

// The same text without those marks, for where it stands in a line.
function unmarked(text) {
  return String(text ?? "").replace(INLINE, (_, code, strong, emphasis) => code ?? unmarked(strong ?? emphasis));
}
