// What the export holds, as objects that know of each other. Keys that somebody chose (ids of
// rooms and events, names of settings) are only ever keys of a Map: "__proto__" is one like others.

const given = JSON.parse(document.getElementById("data").textContent);

function table(name) {
  const { columns, rows } = given.tables[name];
  return rows.map((row) => Object.fromEntries(columns.map((column, at) => [column, row[at]])));
}

function moment(text) {
  return Date.parse(String(text).replace(/(\.\d{3})\d+/, "$1"));
}

function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    const of = key(item);
    if (groups.has(of)) groups.get(of).push(item);
    else groups.set(of, [item]);
  }
  return groups;
}

function byTime(one, other) {
  return one.at - other.at || one.id - other.id;
}

const me = given.user_id;

const messages = table("turn").map((row) => ({
  ...row,
  kind: "message",
  id: row.turn_id,
  at: moment(row.said_at),
  who: row.role === "user" ? "me" : "bot",
  room: row.room_id,
})).sort(byTime);

const messageById = new Map(messages.map((message) => [message.id, message]));
const messageByEvent = new Map(messages.map((message) => [message.event_id, message]));
for (const part of table("turn_part")) {
  const whole = messageById.get(part.turn_id);
  if (whole) messageByEvent.set(part.event_id, whole);
}

const memories = table("memory").map((row) => ({
  ...row,
  kind: "memory",
  id: row.memory_id,
  at: moment(row.created_at),
  who: row.origin === "person" ? "me" : row.origin === "model" ? "bot" : "",
  room: row.source_room_id,
})).sort(byTime);

const memoryById = new Map(memories.map((memory) => [memory.id, memory]));

const entries = table("entry").map((row) => ({
  ...row,
  kind: "entry",
  id: row.seq,
  at: moment(row.occurred_at),
  who: row.actor === me ? "me" : "bot",
  room: null,
  facts: Object.entries(row.facts ?? {}),
})).sort(byTime);

const entryById = new Map(entries.map((entry) => [entry.id, entry]));
const settings = table("setting");
const usage = table("usage").sort((one, other) => (one.day < other.day ? 1 : -1));

const revisionsOf = grouped(table("memory_revision"), (row) => row.memory_id);
const saidOf = grouped(table("memory_said"), (row) => row.memory_id);
const sharesOf = grouped(table("memory_share"), (row) => row.memory_id);

const memoryUses = table("memory_use");
const memoriesUsedBy = grouped(memoryUses, (row) => row.answer_event_id);
const answersWith = grouped(memoryUses, (row) => row.memory_id);
const messagesUsedBy = grouped(table("turn_use"), (row) => row.answer_event_id);

// By event id the numbers of the memories that rest on it, or did before they were changed.
const memoriesFrom = new Map();
for (const memory of memories) {
  for (const row of [memory, ...(revisionsOf.get(memory.id) ?? [])]) {
    const from = memoriesFrom.get(row.source_event_id) ?? new Set();
    if (row.source_event_id) memoriesFrom.set(row.source_event_id, from.add(memory.id));
  }
}

// Rooms have no names in a vault: they are told apart by kind and number, in order of appearance.
const rooms = [];
const roomById = new Map();
for (const [id, said] of grouped(messages, (message) => message.room)) {
  const kind = said.some((message) => message.room_kind === "shared") ? "shared" : "direct";
  const room = { id, kind, number: rooms.length + 1, count: said.length };
  rooms.push(room);
  roomById.set(id, room);
}
for (const kind of ["direct", "shared"]) {
  const alike = rooms.filter((room) => room.kind === kind);
  const name = kind === "direct" ? "Direct chat" : "Shared room";
  alike.forEach((room, at) => { room.name = alike.length > 1 ? `${name} ${at + 1}` : name; });
}

const conversations = [];
for (const said of grouped(messages, (one) => JSON.stringify([one.room, one.thread_id])).values()) {
  const [first] = said;
  const last = said[said.length - 1];
  const conversation = {
    number: conversations.length + 1,
    room: roomById.get(first.room),
    isThread: Boolean(first.thread_id),
    messages: said,
    first,
    last,
  };
  conversations.push(conversation);
  said.forEach((message, at) => {
    message.conversation = conversation;
    message.position = at;
  });
}
