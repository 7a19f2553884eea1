// Elements, found and made.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, children = []) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Writes a text where it has changed: a screen reader would say it again. */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/** Makes one child a key, in order, keeping those that are there: focus and half typed names stay. */
export function keyed(parent, keys, make) {
  const held = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const wanted = keys.map(String);
  for (const [key, child] of held) if (!wanted.includes(key)) child.remove();
  wanted.forEach((key, i) => {
    const child = held.get(key) ?? make(keys[i]);
    child.dataset.key = key;
    if (parent.children[i] !== child) parent.insertBefore(child, parent.children[i] ?? null);
  });
  return [...parent.children];
}

export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function seconds(value) {
  return value < 90 ? `${Math.round(value)} s` : value < 5400 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
}
