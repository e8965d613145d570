/* The playground: asks the gateway as any program does, and shows what comes as it comes.

   Owns: the conversations and the key, in this page's memory and nowhere else. Amounts
   are whole picos in BigInt, as everywhere. Failure: what the gateway refuses, or breaks
   off, is said beside the answer in its own words with what to do about it. */

const form = document.getElementById("playground");
const at = (id) => document.getElementById(`play-${id}`);
const bound = JSON.parse(form.dataset.bound);
const currency = form.dataset.currency;
const places = Number(form.dataset.places);
const COMPLETIONS = "/v1/chat/completions";
const PICO_DIGITS = 12;
/* Every gateway knows a new key within a second. */
const KEY_TRIES_MAX = 20;
const KEY_PAUSE_MS = 150;
const KEY_LEFT_MS = 60_000;

const session = { picos: 0n, tokens: 0, answers: 0 };
let key = null;
let issuing = null;
let running = null;

class Refused extends Error {
  constructor(message, advice = "") {
    super(advice ? `${message} ${advice}` : message);
  }
}

/* Amounts and figures. */

function amount(picos) {
  const digits = picos.toString().padStart(PICO_DIGITS + 1, "0");
  const whole = digits.slice(0, -PICO_DIGITS).replace(/\B(?=(\d{3})+$)/g, ",");
  const fraction = digits.slice(-PICO_DIGITS).replace(/0+$/, "").padEnd(places, "0");
  return `${whole}${fraction ? `.${fraction}` : ""} ${currency}`;
}

function count(number) {
  return number.toLocaleString("en-GB");
}

function modelOf(name) {
  const option = [...form.elements.model.options].find((each) => each.value === name);
  const { context, longest, input, cached, output } = option.dataset;
  return {
    name,
    context: Number(context),
    longest: Number(longest),
    input: BigInt(input),
    cached: BigInt(cached),
    output: BigInt(output),
  };
}

function spendOf(model, usage) {
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  return (
    BigInt(usage.prompt_tokens - cached) * model.input +
    BigInt(cached) * model.cached +
    BigInt(usage.completion_tokens ?? 0) * model.output
  );
}

/* The most that a prompt can be without counting it, as the gateway bounds it. */
function largestSpend(model, messages) {
  const bytes = new TextEncoder().encode(JSON.stringify(messages)).length;
  const prompt = Math.min(
    Math.ceil((bytes * bound.per_byte_milli) / 1000) +
      messages.length * bound.per_message +
      bound.base,
    model.context,
  );
  const answer = Math.min(longestAnswer() ?? model.longest, model.longest);
  return BigInt(prompt) * model.input + BigInt(answer) * model.output;
}

function longestAnswer() {
  const given = Number.parseInt(form.elements.max_tokens.value, 10);
  return given > 0 ? given : null;
}

/* The conversations: one for each model that is asked. */

class Pane {
  constructor(name) {
    this.model = modelOf(name);
    this.turns = [];
    this.element = document.getElementById("play-pane").content.firstElementChild.cloneNode(true);
    this.element.querySelector("h2").textContent = name;
    this.talk = this.element.querySelector(".talk");
    this.receipt = this.element.querySelector(".receipt");
  }

  figure(name, text) {
    this.element.querySelector(`[data-figure=${name}]`).textContent = text;
  }

  add(role, text) {
    const turn = document.createElement("div");
    turn.className = `turn ${role}`;
    const who = document.createElement("h3");
    who.textContent = role === "user" ? "You" : this.model.name;
    const said = document.createElement("p");
    said.append(document.createTextNode(text));
    turn.append(who, said);
    this.talk.append(turn);
    this.talk.scrollTop = this.talk.scrollHeight;
    return said;
  }

  messages(draft) {
    const system = form.elements.system.value.trim();
    return [
      ...(system ? [{ role: "system", content: system }] : []),
      ...this.turns,
      { role: "user", content: draft },
    ];
  }
}

let panes = [];

function choose() {
  const names = [form.elements.model.value, form.elements.second.value].filter(Boolean);
  const kept = [...panes];
  panes = names.map((name) => {
    const found = kept.findIndex((pane) => pane.model.name === name);
    return found < 0 ? new Pane(name) : kept.splice(found, 1)[0];
  });
  at("panes").replaceChildren(...panes.map((pane) => pane.element));
  at("panes").classList.toggle("two", panes.length > 1);
  panes.forEach((pane, number) => {
    pane.talk.setAttribute("aria-label", `Conversation ${number + 1}, with ${pane.model.name}`);
  });
  describe();
}

/* What the next message may cost, and the code that would send it. */

function parameters(pane, draft) {
  const number = (name) => Number.parseFloat(form.elements[name].value);
  const given = { model: pane.model.name, messages: pane.messages(draft) };
  if (longestAnswer()) given.max_tokens = longestAnswer();
  for (const name of ["temperature", "top_p"]) {
    if (Number.isFinite(number(name))) given[name] = number(name);
  }
  return given;
}

function describe() {
  const draft = form.elements.message.value;
  const most = panes
    .map((pane) => largestSpend(pane.model, pane.messages(draft)))
    .reduce((sum, each) => sum + each, 0n);
  at("estimate").textContent = `This message costs at most ${amount(most)}.`;
  at("send").disabled = Boolean(running) || !draft.trim();
  at("stop").disabled = !running;
  if (panes.length) at("code").textContent = code(at("language").value, parameters(panes[0], draft));
}

function code(language, given) {
  const base = `${window.location.origin}/v1`;
  const asked = { ...given, stream: true };
  const json = JSON.stringify(asked, null, 2);
  if (language === "curl") {
    return `curl ${base}/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '${json.replaceAll("'", "'\\''")}'`;
  }
  if (language === "python") {
    const lines = Object.entries(asked).map(
      ([name, value]) => `    ${name}=${value === true ? "True" : JSON.stringify(value)},`,
    );
    return `from openai import OpenAI

client = OpenAI(base_url="${base}")  # the key is read from OPENAI_API_KEY
stream = client.chat.completions.create(
${lines.join("\n")}
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)`;
  }
  return `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}" }); // the key is read from OPENAI_API_KEY
const stream = await client.chat.completions.create(${json});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta?.content ?? "");
}`;
}

/* The key: asked for when it is needed, and again when it ends. */

function keyFor(project) {
  const isGood =
    key && key.project === project && Date.parse(key.expires_at) - Date.now() > KEY_LEFT_MS;
  if (isGood) return Promise.resolve(key);
  /* Two answers at once share one: the second would end the first. */
  issuing ??= issue(project).finally(() => {
    issuing = null;
  });
  return issuing;
}

async function issue(project) {
  /* Nothing else of the form: what is to be asked goes to the gateway alone. */
  const body = new FormData();
  for (const name of ["csrfmiddlewaretoken", "project"]) body.append(name, form.elements[name].value);
  const answer = await fetch(form.action, { method: "POST", body });
  const said = await answer.json().catch(() => null);
  if (!answer.ok || !said) {
    throw new Refused(
      said?.error?.message ?? `No key was issued (${answer.status}).`,
      answer.status === 403 ? "Ask an owner or admin, or sign in again." : "",
    );
  }
  key = { ...said, project, isNew: true };
  return key;
}

async function ask(body, project, signal, sent) {
  for (let tries = 1; ; tries += 1) {
    const used = await keyFor(project);
    sent();
    const answer = await fetch(COMPLETIONS, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${used.key}` },
      body: JSON.stringify(body),
      signal,
    });
    if (answer.ok) used.isNew = false;
    if (answer.status !== 401 || tries >= KEY_TRIES_MAX) return answer;
    /* It worked before: another page of the member has asked for one since. */
    if (!used.isNew && key === used) key = null;
    await new Promise((resolve) => setTimeout(resolve, KEY_PAUSE_MS));
  }
}

async function refusalOf(answer) {
  const said = await answer.json().catch(() => null);
  const message = said?.error?.message ?? `The gateway answered ${answer.status}.`;
  return new Refused(message, adviceFor(answer.status, said?.error?.code, answer.headers));
}

function adviceFor(status, code, headers) {
  if (code === "insufficient_quota") {
    return "A limit, a budget or your credit is used up: trying again does not help.";
  }
  const after = headers?.get("retry-after");
  if (status === 429 || status === 503) {
    return after ? `Try again in ${after} s.` : "Try again shortly.";
  }
  if (status === 402) return "See what is owed on the billing page.";
  if (status === 401) return "The key was not taken: send again for another one.";
  if (status >= 500) return "Nothing was billed of what was not delivered. Try again.";
  return "";
}

/* One answer, as it streams. */

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split(/\r?\n\r?\n/);
    rest = parts.pop();
    for (const part of parts) {
      const data = part
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trim())
        .join("");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

class Answer {
  constructor(pane) {
    this.pane = pane;
    this.text = "";
    this.pending = "";
    this.usage = null;
    this.finish = "";
    this.firstMs = null;
    this.lastMs = null;
    this.startedMs = performance.now();
    this.said = null;
    this.isPainting = false;
  }

  take(chunk) {
    if (chunk.error) throw new Refused(chunk.error.message, adviceFor(0, chunk.error.code));
    const choice = chunk.choices?.[0];
    const text = choice?.delta?.content ?? "";
    const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning ?? "";
    if (text || thought) {
      this.lastMs = performance.now();
      this.firstMs ??= this.lastMs;
    }
    if (choice?.finish_reason) this.finish = choice.finish_reason;
    if (chunk.usage) this.usage = chunk.usage;
    this.text += text;
    this.pending += text;
    if (!this.isPainting) {
      this.isPainting = true;
      requestAnimationFrame(() => this.paint());
    }
  }

  paint() {
    this.isPainting = false;
    const { pane } = this;
    if (this.pending) {
      this.said ??= pane.add("assistant", "");
      this.said.firstChild.appendData(this.pending);
      this.pending = "";
      pane.talk.scrollTop = pane.talk.scrollHeight;
    }
    if (this.firstMs !== null) pane.figure("first", `${Math.round(this.firstMs - this.startedMs)} ms`);
    if (!this.usage) return;
    const made = this.usage.completion_tokens ?? 0;
    const lasted = this.lastMs - this.firstMs;
    pane.figure("tokens", `${count(this.usage.prompt_tokens)} in, ${count(made)} out`);
    pane.figure("spend", amount(spendOf(pane.model, this.usage)));
    if (made > 1 && lasted > 0) pane.figure("pace", (((made - 1) * 1000) / lasted).toFixed(1));
  }
}

async function talk(pane, draft, project, signal) {
  const body = {
    ...parameters(pane, draft),
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  };
  for (const name of ["first", "pace", "tokens", "spend"]) pane.figure(name, "none yet");
  pane.receipt.hidden = true;
  pane.figure("state", "waiting");
  pane.add("user", draft);
  const answer = new Answer(pane);
  let outcome = "complete";
  try {
    const response = await ask(body, project, signal, () => {
      answer.startedMs = performance.now();
    });
    if (!response.ok) throw await refusalOf(response);
    pane.receipt.href = `${form.dataset.receipts}${response.headers.get("x-request-id")}/`;
    pane.receipt.hidden = false;
    pane.figure("state", "streaming");
    for await (const chunk of events(response.body)) answer.take(chunk);
    if (answer.finish === "length") outcome = "complete: the longest answer that was asked for";
  } catch (error) {
    const isStopped = error.name === "AbortError";
    if (isStopped) outcome = "stopped: the receipt says what was delivered until then";
    else outcome = error instanceof Refused ? error.message : "The connection broke off.";
    pane.talk.lastElementChild.classList.toggle("ended", !isStopped);
  }
  answer.paint();
  pane.figure("state", outcome);
  return settled(pane, draft, answer);
}

/* What remains of an answer: its turns, and its part of the page's total. */
function settled(pane, draft, answer) {
  const isSaid = Boolean(answer.said);
  if (isSaid) {
    pane.turns.push({ role: "user", content: draft });
    pane.turns.push({ role: "assistant", content: answer.text });
    session.answers += 1;
  }
  if (answer.usage) {
    session.picos += spendOf(pane.model, answer.usage);
    session.tokens += answer.usage.total_tokens;
  }
  at("spend").textContent = amount(session.picos);
  at("tokens").textContent = count(session.tokens);
  at("answers").textContent = count(session.answers);
  return isSaid;
}

async function send() {
  const draft = form.elements.message.value;
  if (running || !draft.trim() || !form.reportValidity()) return;
  running = new AbortController();
  form.elements.message.value = "";
  at("samples").hidden = true;
  at("said").textContent = "Asked.";
  describe();
  const project = form.elements.project.value;
  const said = await Promise.all(
    panes.map((pane) => talk(pane, draft, project, running.signal)),
  );
  running = null;
  /* What nobody answered is there to be sent again. */
  if (!said.some(Boolean)) form.elements.message.value ||= draft;
  at("said").textContent = panes
    .map((pane) => `${pane.model.name}: ${pane.element.querySelector("[data-figure=state]").textContent}`)
    .join("; ");
  describe();
  form.elements.message.focus();
}

function anew() {
  running?.abort();
  panes = [];
  choose();
  at("samples").hidden = false;
  at("said").textContent = "A new conversation.";
  form.elements.message.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
form.addEventListener("input", (event) => {
  if (["model", "second"].includes(event.target.name)) choose();
  else describe();
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    send();
  }
  if (event.key === "Escape") running?.abort();
});
at("stop").addEventListener("click", () => running?.abort());
at("anew").addEventListener("click", anew);
at("samples").addEventListener("click", (event) => {
  if (!event.target.classList.contains("sample")) return;
  form.elements.message.value = event.target.textContent;
  form.elements.message.focus();
  describe();
});
at("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(at("code").textContent);
  at("copy").textContent = "Copied";
});
choose();
