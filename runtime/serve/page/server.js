// What the server is asked. Every address is relative: the page may lie below any path.

const READ_MS = 5000;
const CHANGE_MS = 20000;

export class RefusedError extends Error {
  constructor(status, { problem, expected, fix }) {
    super([problem, expected && `Expected: ${expected}.`, fix && `${fix[0].toUpperCase()}${fix.slice(1)}.`].filter(Boolean).join(" "));
    this.status = status;
  }
}

export class SilentError extends Error {
  constructor(cause) {
    super("The server does not answer. The page goes on when it is back.", { cause });
  }
}

/** The answer's content; throws `RefusedError` where the server says no, `SilentError` where it says nothing. */
export async function ask(path, method = "GET", body) {
  const options = { method, signal: AbortSignal.timeout(method === "GET" ? READ_MS : CHANGE_MS) };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  try {
    const answer = await fetch(path, options);
    if (answer.status === 204) return null;
    if (answer.ok) return await answer.json();
    throw await refusal(answer);
  } catch (error) {
    throw error instanceof RefusedError ? error : new SilentError(error);
  }
}

export async function refusal(answer) {
  try {
    return new RefusedError(answer.status, await answer.json());
  } catch {
    return new RefusedError(answer.status, { problem: `The server answered with ${answer.status}.` });
  }
}

export const api = (stream, path = "") => `api/streams/${encodeURIComponent(stream)}${path}`;
export const picture = (stream, file) => `streams/${encodeURIComponent(stream)}/${file}`;

/** The ends of the paths that this server has, such as `/refine`. */
export async function abilities() {
  const { paths } = await ask("openapi.json");
  return new Set(Object.keys(paths).map((path) => path.slice(path.lastIndexOf("/"))));
}
