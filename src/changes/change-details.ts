/** What an audit entry says of a change: each field's old and new value, but never a secret. */

import { isDeepStrictEqual } from 'node:util';
import { type Application, type ApplicationSecret, SECRET_FIELDS } from '../nouns/index.ts';
import { defined } from '../storage/defined.ts';

/** Given by the store at each change. */
const BOOKKEEPING: ReadonlySet<string> = new Set(['version', 'number']);
/** Characters of JSON; a catalogue of thousands of tables does not belong into an audit entry twice. */
const MAX_VALUE = 4_000;

export interface FieldChange {
  readonly from?: unknown;
  readonly to?: unknown;
}

/** What may be told of a secret. */
type NamedSecret = Omit<ApplicationSecret, 'hash' | 'seed'>;

/** @returns undefined if the application has the same secrets */
export function secretChanges(
  before: Pick<Application, 'secrets'>,
  after: Pick<Application, 'secrets'>,
): { readonly added: NamedSecret[]; readonly removed: NamedSecret[] } | undefined {
  const added = missingIn(before, after);
  const removed = missingIn(after, before);
  return added.length + removed.length > 0 ? { added, removed } : undefined;
}

function missingIn(one: Pick<Application, 'secrets'>, other: Pick<Application, 'secrets'>): NamedSecret[] {
  const known = new Set(one.secrets.map(({ id }) => id));
  return other.secrets.filter(({ id }) => !known.has(id)).map(({ hash: _, seed: __, ...named }) => named);
}

/** The fields that differ; a secret's values are left out, and so are values too long for an entry. */
export function describeChange(before: object, after: object): Record<string, FieldChange> {
  const changes: Record<string, FieldChange> = {};
  for (const [field, from, to] of differences(before, after)) {
    const shown = !SECRET_FIELDS.has(field) && lengthOf(from) + lengthOf(to) <= MAX_VALUE;
    changes[field] = shown
      ? defined({
          from: from === undefined ? undefined : withoutSecrets(from),
          to: to === undefined ? undefined : withoutSecrets(to),
        })
      : {};
  }
  return changes;
}

/** As JSON has it, without what is secret at whatever depth. */
function withoutSecrets(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (name, inner: unknown) => (SECRET_FIELDS.has(name) ? undefined : inner)),
  );
}

function* differences(before: object, after: object): Generator<[field: string, from: unknown, to: unknown]> {
  const [old, current] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  for (const field of new Set([...old.keys(), ...current.keys()])) {
    const [from, to] = [old.get(field), current.get(field)];
    if (!BOOKKEEPING.has(field) && !isDeepStrictEqual(from, to)) yield [field, from, to];
  }
}

function lengthOf(value: unknown): number {
  return JSON.stringify(value)?.length ?? 0;
}
