/** Reads an apply file: YAML or JSON to an `ApplyFile`, or to a list of everything that is wrong with it and where. */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import type { z } from 'zod';
import { OF_ORGANIZATION } from '../nouns/index.ts';
import { findContradictions } from './contradictions.ts';
import { ApplyFileError } from './file-error.ts';
import { findValue, nameOf, toProblems } from './problems.ts';
import { type ApplyFile, applyFile } from './schema.ts';
import { type Located, type Path, readYaml } from './yaml-document.ts';

export const MAX_APPLY_BYTES = 5 * 1024 * 1024;

/** @throws ApplyFileError */
export function loadApplyFile(path: string): ApplyFile {
  return parseApplyFile(decode(readBytes(path), path), path);
}

function readBytes(path: string): Buffer {
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { size } = fstatSync(file);
    if (size > MAX_APPLY_BYTES) throw new ApplyFileError(path, 'is larger than 5 MB');
    return readFileSync(file);
  } catch (error) {
    if (error instanceof ApplyFileError) throw error;
    throw new ApplyFileError(path, `cannot be read (${(error as NodeJS.ErrnoException).code})`);
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function decode(bytes: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ApplyFileError(path, 'is not UTF-8 text');
  }
}

/**
 * @param fileName for the messages
 * @throws ApplyFileError
 */
export function parseApplyFile(text: string, fileName: string): ApplyFile {
  if (Buffer.byteLength(text) > MAX_APPLY_BYTES) throw new ApplyFileError(fileName, 'is larger than 5 MB');
  const document = readYaml(text);
  if (document.problems.length === 0 && document.value === undefined) {
    throw new ApplyFileError(fileName, 'is empty');
  }
  if (document.value === undefined) throw new ApplyFileError(fileName, document.problems);

  const parsed = applyFile.safeParse(document.value);
  const issues = parsed.error?.issues ?? [];
  const whole = parsed.success ? parsed.data : findRightPart(document.value, issues);
  const problems = [
    ...issues.flatMap((issue) => toProblems(issue, document)),
    ...(whole ? findContradictions(whole) : []).map(({ path, message, culprit }) =>
      document.at(
        [...path, ...(culprit === undefined ? [] : pathTo(culprit, findValue(document.value, path)))],
        `${nameOf(path)} ${message}`,
      ),
    ),
  ];
  const all = [...document.problems, ...problems.filter(isElsewhere(document.problems))];
  if (!parsed.success || all.length > 0) {
    throw new ApplyFileError(
      fileName,
      all.sort((a, b) => a.line - b.line || a.column - b.column),
    );
  }
  return parsed.data;
}

/** To a key or a value that reads so; empty if there is not one. */
function pathTo(culprit: string, value: unknown): PropertyKey[] {
  if (typeof value !== 'object' || value === null) return [];
  for (const [key, inner] of Object.entries(value)) {
    const step = Array.isArray(value) ? Number(key) : key;
    if (step === culprit || (typeof inner !== 'object' && String(inner) === culprit)) return [step];
    const below = pathTo(culprit, inner);
    if (below.length > 0) return [step, ...below];
  }
  return [];
}

/** What could not be read at a place is not worth a second complaint about its value. */
function isElsewhere(problems: readonly Located[]): (problem: Located) => boolean {
  const places = new Set(problems.map(({ line, column }) => `${line}:${column}`));
  return ({ line, column }) => !places.has(`${line}:${column}`);
}

/** Keys whose lists hold nouns. */
const NOUNS: ReadonlySet<PropertyKey> = new Set([...Object.keys(applyFile.shape), ...OF_ORGANIZATION]);

/** The file without the lists that hold what is wrong, so that contradictions elsewhere are found in the same round. */
function findRightPart(value: unknown, issues: readonly z.core.$ZodIssue[]): ApplyFile | undefined {
  const part = structuredClone(value);
  for (const issue of issues) {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys' && path.length <= 2) removeFrom(part, path, issue.keys);
    else {
      const list = path.findLastIndex(
        (step, index) => NOUNS.has(step) && typeof path[index + 1] !== 'string',
      );
      if (list >= 0) removeFrom(part, path.slice(0, list), [path[list] as PropertyKey]);
    }
  }
  return applyFile.safeParse(part).data;
}

function removeFrom(value: unknown, path: Path, keys: readonly PropertyKey[]): void {
  const parent = findValue(value, path);
  if (typeof parent !== 'object' || parent === null) return;
  for (const key of keys) Reflect.deleteProperty(parent, key);
}
