/**
 * How a recording speaks of values that are unknown when it is written: placeholders.
 *
 * - `{{$name}}` is what was captured as `name`; `issuer` is known from the start.
 * - `{{now+5000}}` is the server's clock, here 5 seconds ahead, in milliseconds; `{{datetime+5000}}` the same in ISO 8601.
 * - `{{kind}}` is anything of that kind, see below; `{{name=kind}}` captures it.
 * - `{{one|another}}` is one of these texts.
 *
 * The first two may stand in requests too. In an expected object the keys stand in their order, and one with a `?` at
 * its end may be missing.
 */

/** What one scenario has seen so far. */
export interface Known {
  readonly values: Map<string, unknown>;
  /** The server's clock, in milliseconds. */
  now(): number;
}

/** Between what the clock says when the server answers and when the answer is compared. */
const SLACK = 15_000;

const DATETIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?(?:Z|[+-]\d\d:\d\d)?`;

/** Kinds of text, which may be a part of a longer one. */
const textKinds: Readonly<Record<string, string>> = {
  string: '[^]+',
  text: '[^]*',
  jwt: String.raw`[\w-]+\.[\w-]+\.[\w-]+`,
  token: String.raw`[\w.~+/-]+=*`,
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}',
  hex64: '[0-9a-f]{64}',
  digits: String.raw`\d+`,
  datetime: DATETIME,
};

/** Kinds of other values. */
const valueKinds: Readonly<Record<string, (value: unknown, known: Known) => boolean>> = {
  any: () => true,
  int: (value) => Number.isSafeInteger(value),
  ms: (value, known) =>
    Number.isSafeInteger(value) && isMoment(Number(value), 1_600_000_000_000, known.now()),
};

const isMoment = (value: number, from: number, to: number): boolean =>
  value >= from - SLACK && value <= to + SLACK;

const PLACEHOLDER = /\{\{(?:\$(?<known>\w+)|(?:(?<name>\w+)=)?(?<kind>[^{}=$]+))\}\}/g;
const CLOCK = /^(?<form>now|datetime)(?<shift>[+-]\d+)$/;

interface Placeholder {
  readonly text: string;
  readonly at: number;
  /** Name of what was captured before. */
  readonly known?: string;
  /** Name to capture it as. */
  readonly name?: string;
  readonly kind?: string;
}

function findPlaceholders(template: string): Placeholder[] {
  return [...template.matchAll(PLACEHOLDER)].map((match) => ({
    text: match[0],
    at: match.index,
    ...(match.groups as Pick<Placeholder, 'known' | 'name' | 'kind'>),
  }));
}

const escapePattern = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');

const isKind = (kind: string): boolean =>
  kind in textKinds || kind in valueKinds || kind.includes('|') || CLOCK.test(kind);

/** The moment that `now+5000` and `datetime+5000` speak of. */
function momentOf(kind: string, known: Known): { form: string; moment: number } | undefined {
  const { form = '', shift } = CLOCK.exec(kind)?.groups ?? {};
  return shift === undefined ? undefined : { form, moment: known.now() + Number(shift) };
}

function recall(name: string, { values }: Known): unknown {
  if (!values.has(name)) throw new Error(`nothing was captured as ${name}`);
  return values.get(name);
}

/** A request's text, with what is known in it. */
export function render(template: string, known: Known): string {
  return template.replaceAll(PLACEHOLDER, (text, ...rest) => {
    const { known: name, kind } = rest.at(-1) as Placeholder;
    if (name !== undefined) return String(recall(name, known));
    const clock = momentOf(kind ?? '', known);
    if (!clock) throw new Error(`${text} cannot stand in a request`);
    return clock.form === 'now' ? String(clock.moment) : new Date(clock.moment).toISOString().slice(0, -1);
  });
}

function patternOf({ known: name, kind = '' }: Placeholder, known: Known): string {
  if (name !== undefined) return escapePattern(String(recall(name, known)));
  if (kind.includes('|')) return kind.split('|').map(escapePattern).join('|');
  const pattern = textKinds[kind];
  if (pattern === undefined) throw new Error(`{{${kind}}} is no kind of text`);
  return pattern;
}

function matchText(template: string, actual: string, known: Known): boolean {
  const placeholders = findPlaceholders(template);
  let pattern = '';
  let end = 0;
  for (const each of placeholders) {
    pattern += `${escapePattern(template.slice(end, each.at))}(${patternOf(each, known)})`;
    end = each.at + each.text.length;
  }
  const found = new RegExp(`^${pattern}${escapePattern(template.slice(end))}$`).exec(actual);
  if (!found) return false;
  for (const [index, { name }] of placeholders.entries()) {
    if (name !== undefined) known.values.set(name, found[index + 1]);
  }
  return true;
}

/** Whether a value is of a kind that stands alone; undefined if the placeholder is one of text. */
function isOfKind(placeholder: Placeholder, actual: unknown, known: Known): boolean | undefined {
  const { known: name, kind = '' } = placeholder;
  if (name !== undefined) return Object.is(recall(name, known), actual);
  const clock = momentOf(kind, known);
  if (clock?.form === 'now') {
    return Number.isSafeInteger(actual) && isMoment(Number(actual), clock.moment, clock.moment);
  }
  if (clock) {
    const isDatetime = typeof actual === 'string' && new RegExp(`^${DATETIME}$`).test(actual);
    const moment = isDatetime ? Date.parse(/Z|[+-]\d\d:\d\d$/.test(actual) ? actual : `${actual}Z`) : 0;
    return isMoment(moment, clock.moment, clock.moment);
  }
  return valueKinds[kind]?.(actual, known);
}

function matchString(template: string, actual: unknown, known: Known): boolean {
  const [first, ...others] = findPlaceholders(template);
  if (first && others.length === 0 && first.text === template) {
    const decided = isOfKind(first, actual, known);
    if (decided && first.name !== undefined) known.values.set(first.name, actual);
    if (decided !== undefined) return decided;
  }
  return typeof actual === 'string' && matchText(template, actual, known);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function matchObject(
  expected: Record<string, unknown>,
  actual: Record<string, unknown>,
  known: Known,
  path: string,
): string[] {
  const wanted = Object.entries(expected)
    .map(([key, value]) => ({ key: key.replace(/\?$/, ''), isOptional: key.endsWith('?'), value }))
    .filter(({ key, isOptional }) => !isOptional || key in actual);
  const keys = wanted.map(({ key }) => key).join(', ');
  const actualKeys = Object.keys(actual).join(', ');
  const wrongKeys = keys === actualKeys ? [] : [`${path}: the keys are ${actualKeys}, not ${keys}`];
  return [
    ...wrongKeys,
    ...wanted
      .filter(({ key }) => key in actual)
      .flatMap(({ key, value }) => match(value, actual[key], known, `${path}.${key}`)),
  ];
}

/** What differs, a line for each; captures on the way. */
export function match(expected: unknown, actual: unknown, known: Known, path: string): string[] {
  if (isObject(expected) && isObject(actual)) return matchObject(expected, actual, known, path);
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    return expected.flatMap((each, index) => match(each, actual[index], known, `${path}[${index}]`));
  }
  const isSame =
    typeof expected === 'string' ? matchString(expected, actual, known) : Object.is(expected, actual);
  return isSame ? [] : [`${path}: is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`];
}

/** What is wrong with the placeholders in any part of a recording, and what its names are. */
export function inspectPlaceholders(part: unknown): {
  captured: string[];
  recalled: string[];
  unknown: string[];
} {
  const placeholders = findPlaceholders(JSON.stringify(part));
  return {
    captured: placeholders.flatMap(({ name }) => name ?? []),
    recalled: placeholders.flatMap(({ known }) => known ?? []),
    unknown: placeholders.filter(({ kind }) => kind !== undefined && !isKind(kind)).map(({ text }) => text),
  };
}
