// Requests to the API. A newer request of the same kind aborts the older one: the last one wins.
import { signIn } from "/page/js/signin.js";

const ROOT = "/api/v1/";

/** What the server refused, as problem+json says it. */
export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || "the server refused the request");
    this.problem = problem;
  }
}

export function address(path, params = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    if (value != null && value !== "" && value !== false) query.append(name, String(value));
  const text = query.toString();
  return ROOT + path + (text ? "?" + text : "");
}

const LONGEST = 6000; // characters of an address; a longer request is sent as a body

export function get(path, params = {}, signal) {
  const url = address(path, params);
  if (url.length <= LONGEST) return answerOf(url, { signal, headers: { accept: "application/json" } });
  const truths = { true: true, false: false };
  const body = Object.fromEntries([...new URL(url, location.href).searchParams].map(([name, text]) =>
    [name, truths[text] ?? params[name]]));
  return answerOf(address(path), {
    signal, method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" },
  });
}

/** Changes something: `method` is PUT, POST or DELETE, and `body` becomes JSON. */
export const send = (method, path, body) =>
  answerOf(address(path), body === undefined ? { method }
    : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } });

async function answerOf(url, options) {
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ status: 0, code: "unreachable", detail: "marketsweep serve does not answer: is it running?" });
  }
  if (answer.ok) return answer.json();
  if (answer.status === 401) {
    await signIn();
    return answerOf(url, options);
  }
  let problem = { status: answer.status, detail: `the server answered ${answer.status}` };
  try {
    problem = { ...problem, ...(await answer.json()) };
  } catch {
    // Not JSON: the status has to do.
  }
  throw new Refused(problem);
}

/** One kind of request: `run` aborts the one before, and gives undefined if it was itself aborted. */
export class Latest {
  #controller = null;

  cancel() {
    this.#controller?.abort();
    this.#controller = null;
  }

  async run(call) {
    this.cancel();
    const controller = new AbortController();
    this.#controller = controller;
    try {
      const answer = await call(controller.signal);
      return controller.signal.aborted ? undefined : answer;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      throw error;
    }
  }
}
