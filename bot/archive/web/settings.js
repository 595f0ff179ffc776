// What the person chose, and what their questions cost.

function settingsView() {
  return [heading("Settings and usage"), chosen(), spent()];
}

function chosen() {
  const shown = settings.map(settingWords);
  return el("section", { class: "card", "aria-labelledby": "chosen" }, el("h2", { id: "chosen" }, "Settings"),
    shown.length
      ? el("dl", { class: "settings" }, ...shown.map(([name, value]) => el("div", {}, theirs("dt", name), theirs("dd", value))))
      : el("p", { class: "quiet" }, "You chose none: what the operator set holds for you."));
}

function spent() {
  if (!usage.length) {
    return el("section", { class: "card" }, el("h2", {}, "Usage"), el("p", { class: "quiet" }, "No answers were counted yet."));
  }
  const models = [...grouped(usage, (row) => row.model)].map(([model, rows]) => ({ model, ...sums(rows) }))
    .sort((one, other) => tokens(other) - tokens(one));
  const most = Math.max(...usage.map(tokens), 1);
  return el("section", { class: "card", "aria-labelledby": "spent" }, el("h2", { id: "spent" }, "Usage"),
    el("p", { class: "quiet" }, "Every request to the model counts, also where the messages are not kept: private ones, and those erased since."),
    usageTable("By model", models, (row) => theirs("th", row.model, { scope: "row" })),
    usageTable("By day", usage, (row) => el("th", { scope: "row" }, told(moment(`${row.day}T12:00`)), " ",
      theirs("span", row.model, { class: "model" })), (row) => share(tokens(row) / most)));
}

function tokens(row) {
  return row.prompt_tokens + row.completion_tokens;
}

function sums(rows) {
  const sum = (name) => rows.reduce((total, row) => total + row[name], 0);
  return { requests: sum("requests"), prompt_tokens: sum("prompt_tokens"), completion_tokens: sum("completion_tokens") };
}

function usageTable(title, rows, name, beside = () => "") {
  const body = el("tbody");
  const whole = el("table", { class: "usage" }, el("caption", {}, title),
    el("thead", {}, el("tr", {}, ...[title.slice(3), "Requests", "Tokens read", "Written"].map((words) => el("th", { scope: "col" }, capital(words))))),
    body);
  const draw = (row) => el("tr", {}, filled(name(row), {}, [beside(row)]),
    ...[row.requests, row.prompt_tokens, row.completion_tokens].map((value) => el("td", {}, number(value))));
  return paged(rows, draw, { list: body, whole });
}

function share(part) {
  const bar = el("span", { class: "share", "aria-hidden": "true" });
  bar.style.setProperty("--part", part.toFixed(3));
  return bar;
}
