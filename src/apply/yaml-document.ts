/**
 * YAML (and so JSON) read into plain values that know where they stood. Stricter than YAML: what could be read in two
 * ways, or could be the rest of a file that was cut off, is a problem and not a guess.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  type YAMLMap,
} from 'yaml';
import { type FindEntry, streamYaml } from './yaml-stream.ts';

export type Path = readonly PropertyKey[];

/** Something wrong at a place of the text. */
export interface Located {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export interface YamlDocument {
  /** Plain objects, arrays, text, numbers, booleans; undefined if the text holds nothing or could not be read. */
  readonly value: unknown;
  readonly problems: readonly Located[];
  /** A problem at what the path leads to, or as near to it as there is anything; with `key` at that member's name. */
  at(path: Path, message: string, key?: string): Located;
}

/** Values that aliases may stand for, all in all; more is an attack. */
const MAX_ALIASED = 100_000;
const MAX_DEPTH = 32;
const MAX_SYNTAX_PROBLEMS = 20;
/** Where the library speaks to programmers, or quotes the text, which may be a secret. */
const SYNTAX_MESSAGES: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'this is not an alias or anchor',
  BAD_DQ_ESCAPE: 'there is no such escape in double quotes',
  MULTIPLE_DOCS: 'a second document starts here',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'this is nested too deeply',
  TAG_RESOLVE_FAILED: 'tags are not used here; text that starts with ! stands in quotes',
  UNEXPECTED_TOKEN: 'this does not belong here',
};

type Locate = (offset: number, message: string) => Located;

interface Reading {
  readonly unfinishedFrom: number;
  readonly problem: (offset: number, message: string) => void;
  /** `null` may be written. */
  readonly nulls: boolean;
  readonly findEntry: FindEntry;
  readonly anchors: Map<string, Node>;
  readonly targets: Map<Alias, Node>;
  aliased: number;
}

/** Where a node is, and what it is inside of. */
interface Place {
  /** Collections that are being read, for aliases to one of them. */
  readonly above: readonly Node[];
  readonly inAlias: boolean;
}

const OPTIONS = {
  prettyErrors: false,
  stringKeys: true,
  // The library compares each key with all others of its map; `readMap` does it faster.
  uniqueKeys: false,
  version: '1.2',
} as const;

/** @param nulls `null` may be written where a value is taken away, as in a merge patch */
export function readYaml(text: string, nulls = false): YamlDocument {
  const value = streamYaml(text, OPTIONS, (document, depth, findEntry) => {
    if (document.errors.length > 0 || document.warnings.length > 0) return undefined;
    let isRight = true;
    const reading = createReading(
      text,
      () => {
        isRight = false;
      },
      nulls,
      findEntry,
    );
    // Its length alone counts, because there are no aliases.
    const above = Array.from<Node>({ length: depth });
    const read = document.contents && readNode(reading, document.contents, { above, inAlias: false });
    return isRight && read !== null ? read : undefined;
  });
  if (value === undefined) return readWhole(text, nulls);
  let whole: YamlDocument | undefined;
  return {
    value,
    problems: [],
    at(...place) {
      whole ??= readWhole(text, nulls);
      return whole.at(...place);
    },
  };
}

function readWhole(text: string, nulls: boolean): YamlDocument {
  const lines = new LineCounter();
  const document = parseDocument(text, { ...OPTIONS, lineCounter: lines });
  const locate: Locate = (offset, message) => {
    const { line, col } = lines.linePos(Math.min(offset, text.length));
    return { line: Math.max(line, 1), column: Math.max(col, 1), message };
  };
  const problems = findSyntaxProblems(document, locate);
  const reading = createReading(text, (offset, message) => problems.push(locate(offset, message)), nulls);
  const value =
    document.errors.length === 0 && document.contents
      ? readNode(reading, document.contents, { above: [], inAlias: false })
      : undefined;
  const at: YamlDocument['at'] = (path, message, key) =>
    locate(findOffset(reading, document.contents, path, key), message);
  return { value, problems, at };
}

function createReading(
  text: string,
  problem: Reading['problem'],
  nulls: boolean,
  findEntry: FindEntry = () => undefined,
): Reading {
  const unfinishedFrom = findUnfinished(text);
  return { unfinishedFrom, problem, nulls, findEntry, anchors: new Map(), targets: new Map(), aliased: 0 };
}

function findSyntaxProblems(document: Document, locate: Locate): Located[] {
  const found = new Map<number, Located>();
  for (const { pos, code, message } of [...document.errors, ...document.warnings]) {
    const said = SYNTAX_MESSAGES[code] ?? (message.split('\n')[0] as string);
    // One mistake makes the parser stumble several times at one place.
    if (!found.has(pos[0]) && found.size < MAX_SYNTAX_PROBLEMS) found.set(pos[0], locate(pos[0], said));
  }
  const problems = [...found.values()];
  if (document.directives?.yaml.explicit) problems.push(locate(0, 'directives (%YAML) are not used here'));
  return problems;
}

function readNode(reading: Reading, node: Node, { above, inAlias }: Place): unknown {
  const offset = node.range?.[0] ?? 0;
  if (inAlias) reading.aliased += 1;
  if (reading.aliased > MAX_ALIASED) {
    if (reading.aliased === MAX_ALIASED + 1) reading.problem(offset, 'aliases make this too large');
    return undefined;
  }
  if (isAlias(node)) return readAlias(reading, node, above);
  if (node.anchor && !inAlias) reading.anchors.set(node.anchor, node);
  if (node.tag !== undefined) reading.problem(offset, SYNTAX_MESSAGES.TAG_RESOLVE_FAILED as string);
  if (isScalar(node)) {
    const entry = node.type === Scalar.PLAIN ? reading.findEntry(node.value) : undefined;
    return entry ?? readScalar(reading, node, offset);
  }
  if (above.length >= MAX_DEPTH) {
    reading.problem(offset, 'this is nested too deeply');
    return undefined;
  }
  const inside = { above: [...above, node], inAlias };
  if (isSeq(node)) return node.items.map((item) => readNode(reading, item as Node, inside));
  return isMap(node) ? readMap(reading, node, inside) : undefined;
}

function readAlias(reading: Reading, alias: Alias, above: readonly Node[]): unknown {
  const [offset, end] = alias.range ?? [0, 0];
  requireLineEnd(reading, end);
  const target = reading.anchors.get(alias.source);
  if (!target)
    reading.problem(
      offset,
      'there is no such anchor before this alias; text that starts with * stands in quotes',
    );
  else if (above.includes(target)) reading.problem(offset, 'this alias holds itself');
  else {
    reading.targets.set(alias, target);
    return readNode(reading, target, { above, inAlias: true });
  }
  return undefined;
}

function readMap(reading: Reading, map: YAMLMap, place: Place): Record<string, unknown> {
  const members = new Map<string, unknown>();
  for (const { key, value } of map.items as Pair<Scalar, Node | null>[]) {
    const name = String(key.value);
    const offset = key.range?.[0] ?? 0;
    if (name === '__proto__') reading.problem(offset, 'this key is not allowed anywhere');
    else if (name === '<<') reading.problem(offset, 'merge keys (<<) are not used here');
    else if (members.has(name)) reading.problem(offset, `${name} is there twice`);
    else if (!value) reading.problem(offset, `${name} has no value`);
    else members.set(name, readNode(reading, value, place));
  }
  return Object.fromEntries(members);
}

function readScalar(reading: Reading, scalar: Scalar, offset: number): unknown {
  const { type, value, range, source = '' } = scalar;
  const end = range?.[1] ?? offset;
  if (value === null && reading.nulls && source !== '') return null;
  if (value === null) reading.problem(offset, 'there is no value here: give one, or leave the key out');
  else if (type === Scalar.BLOCK_LITERAL || type === Scalar.BLOCK_FOLDED) {
    reading.problem(offset, 'a value must stand on one line, or in quotes');
  } else if (type === Scalar.PLAIN && end - offset > source.length) {
    reading.problem(offset, 'a value of several lines must stand in quotes');
  } else requireLineEnd(reading, end);
  return value;
}

/** Half a value looks like a whole one: 36 of 3600, `*a` of `*ab`, `'it'` of `'it''s'`. */
function requireLineEnd({ unfinishedFrom, problem }: Reading, end: number): void {
  if (end >= unfinishedFrom) {
    problem(end, 'the file ends within this line: it was cut off, or its last line break is missing');
  }
}

/** The end of what stands on a last line without line break; beyond everything if there is no such line. */
function findUnfinished(text: string): number {
  let end = text.length;
  while (text[end - 1] === ' ' || text[end - 1] === '\t') end -= 1;
  return end === 0 || text[end - 1] === '\n' ? Number.POSITIVE_INFINITY : end;
}

function findOffset({ targets }: Reading, root: unknown, path: Path, key: string | undefined): number {
  let node = root;
  let offset = 0;
  const steps = key === undefined ? path : [...path, key];
  for (const [index, step] of steps.entries()) {
    const inside: unknown = isAlias(node) ? targets.get(node) : node;
    if (isMap(inside)) {
      const pair = (inside.items as Pair<Scalar, Node | null>[]).find(
        (item) => item.key.value === String(step),
      );
      if (key !== undefined && index === path.length) return pair?.key.range?.[0] ?? offset;
      node = pair?.value;
    } else node = isSeq(inside) ? inside.items[Number(step)] : undefined;
    const start = (node as Node | undefined)?.range?.[0];
    if (start === undefined) return offset;
    offset = start;
  }
  return offset;
}
