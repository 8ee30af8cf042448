/** How the text of an environment variable becomes a value. What a schema says of bad text ends a sentence about it. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { quote } from './printable.ts';

/** An amount of something within a time. */
export interface Limit {
  readonly points: number;
  readonly seconds: number;
}

const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };
const DURATION = /^(\d{1,9})([smhd]?)$/;

function toSeconds(text: string): number | undefined {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (SECONDS[unit ?? ''] as number);
}

/** Ends the parsing: `problem` says of the text what is wrong with it. */
export type Refuse = (problem: string) => never;

class Refusal extends Error {}

function refuse(problem: string): never {
  throw new Refusal(problem);
}

/** @param parse gives the value, or refuses the text */
export function textValue<T>(parse: (text: string, refuse: Refuse) => T): z.ZodType<T, string> {
  return z.string().transform((text, context) => {
    try {
      return parse(text, refuse);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
}

/** The text itself. @param findProblem undefined if it will do */
export function checkedText(findProblem: (text: string) => string | undefined): z.ZodType<string, string> {
  return textValue((text) => {
    const problem = findProblem(text);
    return problem === undefined ? text : refuse(problem);
  });
}

export function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  return textValue((text) => {
    if (!/^\d{1,15}$/.test(text)) refuse('is no whole number');
    const value = Number(text);
    return value < least || value > most ? refuse(`is not between ${least} and ${most}`) : value;
  });
}

/** Seconds. */
export function duration(least: number, most: number): z.ZodType<number, string> {
  return textValue((text) => {
    const seconds = toSeconds(text) ?? refuse('is no duration');
    return seconds < least || seconds > most
      ? refuse(`is not between ${least} and ${most} seconds`)
      : seconds;
  });
}

/** `<points>/<duration>` */
export function limit(): z.ZodType<Limit, string> {
  return textValue((text) => {
    const [amount = '', time = '', ...rest] = text.split('/');
    const points = /^\d{1,7}$/.test(amount) && rest.length === 0 ? Number(amount) : refuse('is no limit');
    const seconds = toSeconds(time) ?? refuse('is no limit');
    return points < 1 || seconds < 1 || seconds > 86_400 ? refuse('is out of range') : { points, seconds };
  });
}

export function oneOf<const T extends string>(...choices: readonly T[]): z.ZodType<T, string> {
  return textValue((text) => choices.find((choice) => choice === text) ?? refuse('is none of them'));
}

export function flag(): z.ZodType<boolean, string> {
  return textValue((text) => (text === '1' || text === '0' ? text === '1' : refuse('is neither 0 nor 1')));
}

/** Separated by commas; blanks around an entry do not count. */
export function list(
  findProblem: (entry: string) => string | undefined,
): z.ZodType<readonly string[], string> {
  return textValue((text) => {
    const entries = text.split(',').map((entry) => entry.trim());
    const problems = entries.flatMap((entry) => {
      const problem = entry === '' ? 'is empty' : findProblem(entry);
      return problem ? [`has the entry ${quote(entry)}, which ${problem}`] : [];
    });
    return problems.length > 0 ? refuse(problems.join('; it ')) : entries;
  });
}

/** Where a path cannot be meant as it is written. */
function findPathProblem(text: string): string | undefined {
  if (text.includes('\0')) return 'holds a NUL';
  if (/^~(?:\/|$)/.test(text)) return 'starts with ~, which only a shell replaces';
  return undefined;
}

/** The text as given; `load` resolves it against the working directory. */
export function path(): z.ZodType<string, string> {
  return checkedText(findPathProblem);
}

export type StoragePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'mongodb'; readonly url: string };

/** The driver reads the rest; only what it would take for something else is refused here. */
function mongoPlace(text: string): StoragePlace {
  const path = /^mongodb(?:\+srv)?:\/\/[^/?]+\/([^/?]+)(?:\?|$)/.exec(text)?.[1];
  if (path === undefined) refuse('names no database: mongodb://<hosts>/<database>');
  return { kind: 'mongodb', url: text };
}

/** The path behind `sqlite:`, or a MongoDB URL. */
export function storage(): z.ZodType<StoragePlace, string> {
  return textValue((text) => {
    if (/^mongodb(?:\+srv)?:\/\//.test(text)) return mongoPlace(text);
    if (!text.startsWith('sqlite:')) refuse('starts neither with sqlite: nor with mongodb://');
    const file = text.slice('sqlite:'.length);
    if (file === '' || file.endsWith('/')) refuse('names no file');
    if (file.startsWith(':') || file.startsWith('file:')) refuse('is not the plain path of a file');
    if (file.startsWith('//')) refuse(`has two slashes, where sqlite:${resolve('/', file)} has one`);
    const problem = findPathProblem(file);
    return problem === undefined ? { kind: 'sqlite', path: file } : refuse(problem);
  });
}
