/**
 * Rows as stores write them: most of a token row repeats for every token of its client, so a row is two documents of
 * JSON. The shared one is stored once for all rows that agree in it and is found by its content, so a row stays readable
 * when its client changes or is removed. The own one has the rest. `rows.ts` says which member goes where.
 *
 * A shared document says until when it is kept, which is never before the last row that refers to it has expired.
 */
import { LRUCache } from 'lru-cache';
import { isNounId } from '../nouns/index.ts';
import { rowKey } from './row-key.ts';
import {
  type GrantedRow,
  LOGIN_MEMBERS,
  type LoginRow,
  type Place,
  pick,
  TOKEN_MEMBERS,
  type TokenRow,
} from './rows.ts';

export interface RowDocuments {
  readonly shared: string;
  readonly own: string;
  /** Milliseconds: when the row expires. */
  readonly expiresAt: number;
  /** Milliseconds: until when the shared document is kept if it is written for this row. */
  readonly keptUntil: number;
}

/** Members whose value is often an ancestor too: the ancestor is stored as the member's index in this list. */
const REPEATED = ['user', 'login', 'connection', 'parent'] as const;

type Repeating = { readonly [K in (typeof REPEATED)[number]]?: string };

/** `shared` has null in place of each entry of `own` that an entry of `shared` follows. */
interface SplitAncestors {
  readonly shared: (string | null)[];
  readonly own: (string | number)[];
}

function splitAncestors(row: GrantedRow & Repeating): SplitAncestors {
  const repeated = REPEATED.map((member) => row[member]);
  const shared: (string | null)[] = [];
  const own: (string | number)[] = [];
  for (const id of row.ancestors) {
    const at = repeated.indexOf(id);
    // A noun has many rows below it, and so has a secret, whose node has a prefix. Any other node has few.
    if (at < 0 && isNounId(id.slice(id.indexOf(':') + 1))) shared.push(id);
    else {
      shared.push(null);
      own.push(at < 0 ? id : at);
    }
  }
  while (shared.at(-1) === null) shared.pop();
  return { shared, own };
}

function joinAncestors({ shared, own }: SplitAncestors, row: Repeating): string[] {
  const ids = own.map((id) => (typeof id === 'number' ? row[REPEATED[id] as keyof Repeating] : id) as string);
  const joined = shared.map((id) => id ?? (ids.shift() as string));
  return [...joined, ...ids];
}

/** Milliseconds that a process's clock may be ahead without removing a document that a row refers to. */
const CLOCK_DIFFERENCE = 3_600_000;

/** Characters of shared documents that a process remembers: so many of encoded, of written and of read ones. */
const REMEMBERED = 2_000_000;

type Member = keyof TokenRow | keyof LoginRow;

type Members = Readonly<Partial<Record<Member, unknown>>>;

/** A row whose shared document is known. */
interface Encoded {
  row: Members & GrantedRow & Repeating;
  split: SplitAncestors;
  /** The shared document. */
  readonly text: string;
}

interface Layout {
  readonly shared: readonly Member[];
  readonly own: readonly Member[];
  /**
   * The last row of each application. A WeakMap by a member that each row has anew would keep the rows in memory until a
   * full garbage collection.
   */
  readonly encoded: LRUCache<string, Encoded>;
}

type Places = Readonly<Partial<Record<Member, Place>>>;

/** @param whose which document has what only the rows of one person have in common */
function layoutOf(places: Places, whose: 'own' | 'shared'): Layout {
  const members = (Object.keys(places) as Member[]).filter((member) => member !== 'ancestors');
  const at = (place: Place): Member[] =>
    members.filter((member) => (places[member] === 'whose' ? whose : places[member]) === place);
  const encoded: Layout['encoded'] = new LRUCache({
    maxSize: REMEMBERED,
    sizeCalculation: ({ text }) => text.length,
  });
  return { shared: at('shared'), own: at('own'), encoded };
}

/** Of users and database accounts there are many to a client. */
const layoutsOf = (places: Places) => ({
  ofPerson: layoutOf(places, 'own'),
  ofOther: layoutOf(places, 'shared'),
});

const TOKEN = layoutsOf(TOKEN_MEMBERS);
const LOGIN = layoutsOf(LOGIN_MEMBERS);

function encode(row: TokenRow | LoginRow, { ofPerson, ofOther }: ReturnType<typeof layoutsOf>): RowDocuments {
  const { expiresAt, asOf, user, account } = row;
  const layout = user === undefined && account === undefined ? ofOther : ofPerson;
  const { split, text } = encodeShared(row, layout);
  const own = pick(row, layout.own);
  if (split.own.length > 0) own.ancestors = split.own;
  return {
    shared: text,
    own: JSON.stringify(own),
    expiresAt,
    // Kept twice as long as the row, so that an active client rewrites it once per token lifetime only.
    keptUntil: expiresAt + Math.max(0, expiresAt - asOf) + CLOCK_DIFFERENCE,
  };
}

/** Members of rows are never changed, so the same values have the same text. */
function encodeShared(row: Encoded['row'], { shared, encoded }: Layout): Omit<Encoded, 'row'> {
  const last = encoded.get(row.application);
  const split = last && splitAlike(last.row, row) ? last.split : splitAncestors(row);
  if (
    last &&
    isSame(last.split.shared, split.shared) &&
    shared.every((name) => isSame(last.row[name], row[name]))
  ) {
    // A change of the directory makes the list anew, for all rows after this one.
    last.row = row;
    last.split = split;
    return last;
  }
  const text = JSON.stringify({ ancestors: split.shared, ...pick(row, shared) });
  encoded.set(row.application, { row, split, text });
  return { split, text };
}

/** Tokens that are made alike have one list of ancestors. */
function splitAlike(one: Encoded['row'], other: Encoded['row']): boolean {
  return one.ancestors === other.ancestors && REPEATED.every((member) => one[member] === other[member]);
}

/** Lists of the same values are the same too: each row has its own. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other || !Array.isArray(one) || !Array.isArray(other)) return one === other;
  return one.length === other.length && one.every((value, index) => value === other[index]);
}

export const encodeToken = (row: TokenRow): RowDocuments => encode(row, TOKEN);
export const encodeLogin = (row: LoginRow): RowDocuments => encode(row, LOGIN);

/** A parsed shared document, which many rows take their members from. */
export interface SharedPart {
  readonly ancestors: (string | null)[];
}

/**
 * @param own its own document
 * @param columns its members that are kept beside the documents
 */
export function decodeRow<T extends GrantedRow, C extends keyof T>(
  shared: SharedPart,
  own: string,
  columns: Pick<T, C>,
): T {
  const parsed = JSON.parse(own);
  const ancestors = joinAncestors({ shared: shared.ancestors, own: parsed.ancestors ?? [] }, parsed);
  return { ...shared, ...parsed, ancestors, ...columns };
}

/** What a shared document is found by: 128 bits of SHA-256 of its text. */
export const hashShared = (text: string): Buffer => rowKey(text, 16);

/**
 * The shared documents that this process wrote or read recently, so that it needs no query for them.
 * @typeParam Reference what a store's rows refer to one with; never given to another document
 */
export class KnownShared<Reference extends string | number> {
  readonly #written = new LRUCache<string, { readonly reference: Reference; readonly until: number }>({
    maxSize: REMEMBERED,
    sizeCalculation: (_, text) => text.length,
  });
  readonly #parts = new LRUCache<Reference, { readonly part: SharedPart; readonly size: number }>({
    maxSize: REMEMBERED,
    sizeCalculation: ({ size }) => size,
  });

  /** @returns undefined if it has to be written, or to be kept longer */
  find({ shared, expiresAt }: RowDocuments): Reference | undefined {
    const written = this.#written.get(shared);
    return written && written.until >= expiresAt ? written.reference : undefined;
  }

  /** Call it once the write is durable. */
  wrote({ shared, keptUntil }: RowDocuments, reference: Reference): void {
    this.#written.set(shared, { reference, until: keptUntil - CLOCK_DIFFERENCE });
  }

  /** Call it before a sweep: by a clock that is ahead, it removes documents that this process knows. */
  forget(): void {
    this.#written.clear();
    this.#parts.clear();
  }

  part(reference: Reference): SharedPart | undefined {
    return this.#parts.get(reference)?.part;
  }

  /** @throws Error if the document is not there */
  remember(reference: Reference, text: string | undefined): SharedPart {
    if (text === undefined) throw new Error('a row has lost its shared document: the store is damaged');
    const part: SharedPart = JSON.parse(text, frozen);
    this.#parts.set(reference, { part, size: text.length });
    return part;
  }
}

/** Many rows share these objects. */
function frozen(_: string, value: unknown): unknown {
  return Object.freeze(value);
}
