/** What imports of all stores have in common: a record is written as the store's callers would write it. */
import { Conflict, type NodeRecord, type Storage } from './contract.ts';
import { defined } from './defined.ts';
import { type CountName, type DumpRecord, fromBytes, type NounRecord } from './dump.ts';

/** A caller cannot choose numbers, so records with the numbers of the store that they come from have a way of their own. */
export interface ImportStores
  extends Pick<Storage, 'keys' | 'tokens' | 'logins' | 'artifacts' | 'counters' | 'audit' | 'outbox'> {
  raiseCount(name: CountName, value: number): unknown;
  putNode(node: NodeRecord): unknown;
  putNoun(record: NounRecord): unknown;
}

const optionalBytes = (text: string | undefined): Buffer | undefined =>
  text === undefined ? undefined : fromBytes(text);

/** @throws Conflict */
export async function putRecord(stores: ImportStores, record: DumpRecord): Promise<unknown> {
  switch (record.kind) {
    case 'keys':
      if (!(await stores.keys.insert(record.row))) throw new Conflict(record.kind);
      return undefined;
    case 'tokens':
      return stores.tokens.insert(fromBytes(record.key), record.row);
    case 'logins': {
      const { current, previous, ...row } = record.row;
      const hashes = defined({ current: fromBytes(current), previous: optionalBytes(previous) });
      return stores.logins.insert({ ...row, ...hashes });
    }
    case 'artifacts': {
      const uid = optionalBytes(record.uid);
      return stores.artifacts.upsert(record.model, fromBytes(record.key), record.row, defined({ uid }));
    }
    case 'counters':
      return stores.counters.set(record.key, record.points, record.expiresAt);
    case 'audit':
      return stores.audit.append(record.row);
    case 'outbox':
      return stores.outbox.insert(record.row);
    case 'counts':
      return stores.raiseCount(record.name, record.value);
    case 'nodes':
      return stores.putNode(record.row);
    default:
      return stores.putNoun(record);
  }
}
