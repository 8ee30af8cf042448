/** The body of a request, from a file and from `--set path=value`. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { ApplyFileError } from '../../apply/file-error.ts';
import { readYaml } from '../../apply/yaml-document.ts';
import { quote } from '../../errors/texts.ts';
import { isJsonObject, type JsonObject } from '../../permissions/json.ts';
import { type CommandIo, UsageError } from '../command.ts';
import { readAll } from '../input.ts';

export interface BodyOptions {
  /** A path, or `-` for stdin. */
  readonly file?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly unset?: readonly string[] | undefined;
}

/** @returns the members of `a.b\.c`: `a` and `b.c` */
function readPath(text: string): string[] {
  const parts = (text.match(/(?:\\.|[^.\\])+/g) ?? []).map((part) => part.replace(/\\(.)/g, '$1'));
  const isWhole = parts.length > 0 && !/^\.|\.\.|(?<!\\)\.$/.test(text);
  if (isWhole && !parts.some((part) => part === '__proto__')) return parts;
  throw new UsageError(`${quote(text)} is not the name of a member. Write one such as token.ttl`);
}

/** JSON where it is JSON, else the text itself. */
function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function setMember(body: JsonObject, path: readonly string[], value: unknown): JsonObject {
  const [key = '', ...rest] = path;
  const inner = isJsonObject(body[key]) ? body[key] : {};
  return { ...body, [key]: rest.length === 0 ? value : setMember(inner, rest, value) };
}

async function readText(file: string, io: CommandIo): Promise<string> {
  return file === '-' ? readAll(io.stdin) : readFile(resolve(io.cwd, file), 'utf8');
}

/** @throws ApplyFileError */
async function readFileBody(file: string, io: CommandIo): Promise<JsonObject> {
  const { value, problems } = readYaml(await readText(file, io), true);
  const name = file === '-' ? 'stdin' : file;
  if (problems.length > 0) throw new ApplyFileError(name, problems);
  if (!isJsonObject(value)) throw new ApplyFileError(name, 'is not an object: write the members of one');
  return value;
}

/**
 * What a file says, changed by what the options say.
 * @throws UsageError, ApplyFileError
 */
export async function readBody(
  { file, set = [], unset = [] }: BodyOptions,
  io: CommandIo,
): Promise<JsonObject> {
  let body = file === undefined ? {} : await readFileBody(file, io);
  for (const given of set) {
    const equals = given.indexOf('=');
    if (equals < 1) throw new UsageError(`--set ${quote(given)} has no value. Write --set name=value`);
    body = setMember(body, readPath(given.slice(0, equals)), readValue(given.slice(equals + 1)));
  }
  for (const name of unset) body = setMember(body, readPath(name), null);
  return body;
}
