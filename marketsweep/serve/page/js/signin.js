// Asks for a token where the server needs one. The server keeps it in a cookie that scripts cannot read.
import { button, el } from "/page/js/dom.js";

const SESSION = "/session";
let waiting = null;

/** Shows the form, and resolves when a token was accepted. Requests that wait share one form. */
export function signIn() {
  waiting ??= ask().finally(() => { waiting = null; });
  return waiting;
}

/** A line that says who is signed in, or nothing where no token is needed. */
export async function signedInAs() {
  const { needs_token: needed, name, scope } = await (await fetch(SESSION)).json();
  if (!needed || !name) return null;
  return el("p", { class: "dim" }, `Signed in with the token ${name} (${scope}). `, button("Sign out", async () => {
    await fetch(SESSION, { method: "DELETE" });
    location.reload();
  }, { class: "suggestion" }));
}

function ask() {
  return new Promise((accepted) => {
    const field = el("input", {
      type: "password", id: "token", autocomplete: "current-password", required: true, spellcheck: false,
      "aria-describedby": "token-help token-fault",
    });
    const fault = el("p", { class: "loss", id: "token-fault", role: "alert" });
    const others = [...document.body.children];
    const form = el("main", { class: "sign-in" }, el("h1", {}, "marketsweep"), el("form", { onsubmit: submit },
      el("label", { for: "token" }, "Token"), field,
      el("p", { class: "dim", id: "token-help" }, "This server answers only with a token. Its owner makes one with ",
        el("code", {}, "marketsweep token create --scope scan"), "."),
      fault, el("button", { type: "submit", class: "primary" }, "Sign in")));
    for (const other of others) other.inert = true;
    document.body.append(form);
    field.focus();

    async function submit(event) {
      event.preventDefault();
      const answer = await fetch(SESSION, {
        method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ token: field.value.trim() }),
      }).catch(() => null);
      if (!answer?.ok) {
        fault.textContent = answer ? "This token is not known: it may have been removed." : "The server does not answer.";
        field.select();
        return;
      }
      form.remove();
      for (const other of others) other.inert = false;
      accepted();
    }
  });
}
