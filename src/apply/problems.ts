/** What the schema has against an apply file, in words for the person who wrote the file. */
import { z } from 'zod';
import type { FieldProblem } from '../errors/domain.ts';
import { didYouMean, MAX_HINTS } from '../errors/similar.ts';
import { cut } from '../errors/texts.ts';
import { applyFile } from './schema.ts';
import type { Located, Path, YamlDocument } from './yaml-document.ts';

const MAX_SHOWN = 40;

/** `users[2].password` is `password`, `scopes[1]` stays. */
export function nameOf(path: Path): string {
  const last = path.at(-1);
  return typeof last === 'number' ? `${String(path.at(-2))}[${last}]` : String(last ?? 'the content');
}

/** Each with its place in the text. */
export function toProblems(issue: z.core.$ZodIssue, document: YamlDocument): Located[] {
  return findProblems(issue, document.value, applyFile).map(({ path, message, culprit }) =>
    document.at(path, message, culprit),
  );
}

/** Each with its place in a JSON body. @param schema of the body, whose issue it is */
export function toFieldProblems(issue: z.core.$ZodIssue, body: unknown, schema: z.ZodType): FieldProblem[] {
  return findProblems(issue, body, schema).map(({ path, message, culprit }) => ({
    path: toJsonPointer(culprit === undefined ? path : [...path, culprit]),
    detail: message,
  }));
}

/** RFC 6901. */
export function toJsonPointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

interface Problem {
  readonly path: Path;
  readonly message: string;
  readonly culprit?: string;
}

function findProblems(issue: z.core.$ZodIssue, whole: unknown, schema: z.ZodType): Problem[] {
  const { path } = issue;
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    return issue.keys.map((key, index) => ({
      path,
      message: `unknown key ${cut(key, MAX_SHOWN)}${index < MAX_HINTS ? didYouMean(key, known) : ''}`,
      culprit: key,
    }));
  }
  if (issue.code === 'invalid_key') {
    const key = String(path.at(-1));
    const message = `${key} ${issue.issues[0]?.message ?? 'is not valid'}`;
    return [{ path: path.slice(0, -1), message, culprit: key }];
  }
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((option) => !option.some(isOfAnotherType));
    if (meant)
      return meant.flatMap((inner) =>
        findProblems({ ...inner, path: [...path, ...inner.path] }, whole, schema),
      );
  }
  const value = findValue(whole, path);
  const hint = typeof value === 'string' ? findHint(path, value, schema) : '';
  return [{ path, message: `${nameOf(path)} ${describe(issue, value)}${hint}` }];
}

/** Whether a choice of a union is not the one that was meant. */
function isOfAnotherType({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && code === 'invalid_type';
}

/** For a string where a group of keys must stand, if one key is enough. */
function findHint(path: Path, value: string, whole: z.ZodType): string {
  const schema = schemaAt(whole, path);
  if (!(schema instanceof z.ZodObject)) return '';
  const needed = Object.entries(schema.shape).filter(([, { _zod }]) => _zod.optin === undefined);
  const [key] = needed.length === 1 ? (needed[0] as [string, unknown]) : [];
  if (key === undefined) return '';
  // Other strings may be secrets in the wrong place.
  return `: write \`{ ${key}: ${key === 'id' ? cut(value, MAX_SHOWN) : '...'} }\``;
}

/** The problem with a value, as the end of a sentence. */
export function describe(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${typeWords[issue.expected] ?? issue.expected}, but is ${nameType(value)}${
        issue.expected === 'string' && typeof value !== 'object' ? ': write it in quotes' : ''
      }`;
    case 'invalid_value':
      return issue.message.startsWith('Invalid')
        ? `must be one of ${issue.values.join(', ')}`
        : issue.message;
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'is empty'
        : `must be at least ${issue.minimum}`;
    case 'too_big':
      return `must be at most ${issue.maximum}${issue.origin === 'array' ? ' entries' : ''}`;
    case 'invalid_format':
      return formatWords[issue.format] ?? issue.message;
    default:
      return issue.message;
  }
}

const formatWords: Readonly<Record<string, string>> = {
  uuid: 'must be the id of an object, not its name',
  datetime: 'must be a time such as 2026-11-30T00:00:00Z',
};

const typeWords: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
  object: 'a group of keys',
  record: 'a group of keys',
  string: 'text',
};

function nameType(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value === null) return 'empty';
  return (
    { object: 'a group of keys', string: 'text', boolean: 'true or false' }[typeof value as string] ??
    'a number'
  );
}

/** Undefined if the path leads nowhere. */
export function findValue(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inside, step) =>
      typeof inside === 'object' && inside !== null && Object.hasOwn(inside, step)
        ? (inside as Record<PropertyKey, unknown>)[step]
        : undefined,
    value,
  );
}

/** The keys that the schema has where the path leads. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  const found = schemaAt(schema, path);
  return found instanceof z.ZodObject ? Object.keys(found.shape) : [];
}

/** Undefined if the path leads nowhere. */
function schemaAt(schema: z.ZodType | undefined, path: Path): z.ZodType | undefined {
  const [step, ...rest] = path;
  if (schema instanceof z.ZodExactOptional || schema instanceof z.ZodOptional) {
    return schemaAt(schema.unwrap() as z.ZodType, path);
  }
  if (schema instanceof z.ZodUnion) {
    const inside = schema.options.flatMap((option) => schemaAt(option as z.ZodType, path) ?? []);
    return step === undefined ? inside.find((each) => each instanceof z.ZodObject) : inside[0];
  }
  if (schema instanceof z.ZodPipe) return schemaAt(schema.in as z.ZodType, path);
  if (step === undefined) return schema;
  if (schema instanceof z.ZodArray) return schemaAt(schema.element as z.ZodType, rest);
  if (schema instanceof z.ZodRecord) return schemaAt(schema.valueType as z.ZodType, rest);
  return schema instanceof z.ZodObject ? schemaAt(schema.shape[String(step)], rest) : undefined;
}
