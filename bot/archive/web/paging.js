// Long lists: some dozens are drawn, and more when the reader comes near the end of them.

const STEP = 50;
const PRINTED = 2000;

// `draw` makes the element of an item, `between` what stands before it where the one before
// differs. Returns the elements to place; `list` is what the items go into, perhaps within `whole`.
function paged(items, draw, { list = el("ol", { class: "list" }), whole = list, start = 0, between = () => null } = {}) {
  let from = start;
  let to = start;
  const earlier = el("button", { type: "button", class: "more earlier" });
  const later = el("button", { type: "button", class: "more later" });
  const nodes = (at, before) => [between(items[at], before), draw(items[at], at)].filter(Boolean);
  const tell = () => {
    earlier.hidden = from === 0;
    earlier.textContent = `Show earlier (${number(from)})`;
    later.hidden = to >= items.length;
    later.textContent = `Show more (${number(items.length - to)})`;
  };
  const onwards = (step = STEP) => {
    const fresh = [];
    for (const end = Math.min(items.length, to + step); to < end; to += 1) {
      fresh.push(...nodes(to, to === from ? undefined : items[to - 1]));
    }
    list.append(...fresh);
    tell();
  };
  const backwards = () => {
    const height = document.documentElement.scrollHeight;
    if (!between(items[from], items[from - 1]) && between(items[from])) list.firstChild.remove();
    const fresh = [];
    const begin = Math.max(0, from - STEP);
    for (let at = begin; at < from; at += 1) fresh.push(...nodes(at, at === begin ? undefined : items[at - 1]));
    from = begin;
    list.prepend(...fresh);
    tell();
    scrollBy({ top: document.documentElement.scrollHeight - height, behavior: "instant" });
  };
  earlier.addEventListener("click", backwards);
  later.addEventListener("click", () => onwards());
  coming.observe(later);
  showMore.set(later, onwards);
  onwards();
  return [earlier, whole, later];
}

// By the button at the end of each list: what it would do.
const showMore = new WeakMap();

const coming = new IntersectionObserver((seen) => {
  for (const one of seen) if (one.isIntersecting && !one.target.hidden) showMore.get(one.target)();
}, { rootMargin: "800px" });

addEventListener("beforeprint", () => {
  for (const button of document.querySelectorAll(".more.later")) showMore.get(button)(PRINTED);
});
