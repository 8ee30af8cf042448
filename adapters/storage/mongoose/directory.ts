/** The nouns of the directory, and the log of their changes. */
import { type Model, trusted } from 'mongoose';
import {
  type CollectionName,
  declarationOf,
  listedValuesOf,
  type Noun,
  type Nouns,
  organizationOf,
  toFirstVersion,
  type UniqueKey,
  uniqueValuesOf,
} from '../../../src/nouns/index.ts';
import {
  type Among,
  type Collection,
  createCollections,
  type DirectoryStore,
  VersionConflict,
} from '../../../src/storage/contract.ts';
import { defined } from '../../../src/storage/defined.ts';
import type { NounRecord } from '../../../src/storage/dump.ts';
import { toCounted, toPage } from '../../../src/storage/pages.ts';
import { guardEach } from './errors.ts';
import { createRevision, type Heads, type Revision, readLog } from './heads.ts';
import { AS_JSON } from './noun-schema.ts';
import type { Models, NounDocument } from './schemas.ts';

export const numberOf = (collection: CollectionName): string => `number of ${collection}`;

function mapJson(fields: object, toOther: (value: unknown) => unknown): Record<string, unknown> {
  const found = Object.entries(fields).filter(([name, value]) => AS_JSON.has(name) && value !== undefined);
  return Object.fromEntries(found.map(([name, value]) => [name, toOther(value)]));
}

export function toNounDocument<C extends CollectionName>({ kind, row }: NounRecord<C>): NounDocument {
  const { id, ...rest }: Noun = row;
  const unique = toUnique(kind, row);
  const listed = toListed(kind, row);
  return { ...rest, ...mapJson(rest, JSON.stringify), _id: id, unique, ...defined({ listed }) };
}

function toUnique<C extends CollectionName>(kind: C, row: Nouns[C]): NounDocument['unique'] {
  const { uniqueLists = [] } = declarationOf(kind);
  const found = Map.groupBy(uniqueValuesOf(kind, row), ([key]) => key);
  return Object.fromEntries(
    [...found].map(([key, values]) => {
      const texts = values.map(([, value]) => value);
      return [key, uniqueLists.includes(key) ? texts : String(texts[0])];
    }),
  );
}

export function toListed<C extends CollectionName>(kind: C, row: Nouns[C]): NounDocument['listed'] {
  const listed = listedValuesOf(kind, row).map(([key, values]): [string, string[]] => [key, [...values]]);
  return listed.length > 0 ? Object.fromEntries(listed) : undefined;
}

export function toNoun<C extends CollectionName>({ _id, unique, listed, ...rest }: NounDocument): Nouns[C] {
  const noun: object = { id: _id, ...rest, ...mapJson(rest, (text) => JSON.parse(text as string)) };
  return noun as Nouns[C];
}

function toFilter({ organization, listed }: Among): Record<string, unknown> {
  return { ...defined({ organization }), ...(listed && { [`listed.${listed.key}`]: listed.value }) };
}

function createCollection<C extends CollectionName>(
  name: C,
  model: Model<NounDocument>,
  heads: Heads,
  revision: Revision,
): Collection<Nouns[C], UniqueKey<C>> {
  const changing = <T>(id: string, organization: string | undefined, change: () => PromiseLike<T>) =>
    declarationOf(name).isReadEachTime
      ? change()
      : revision.around(change, defined({ collection: name as CollectionName, id, organization }));
  const find = async (filter: object): Promise<Nouns[C] | undefined> => {
    const document = await model.findOne(filter).lean<NounDocument>();
    return document ? toNoun<C>(document) : undefined;
  };
  const changed = (id: string): VersionConflict =>
    new VersionConflict(`${name} ${id} was changed or removed meanwhile`);

  return {
    get: (id) => find({ _id: id }),
    findBy: (key, value) => find({ [`unique.${key}`]: value }),
    findNumber: (number) => find({ number }),
    async insert(given) {
      // A number that a clash uses up is never given again.
      const noun = toFirstVersion<Nouns[C]>(given, await heads.next(numberOf(name)));
      const document = toNounDocument({ kind: name, row: noun });
      await changing(noun.id, organizationOf(name, noun), () => model.create(document));
      return noun;
    },
    async replace(given) {
      const { id, version } = given;
      const noun = { ...given, version: version + 1 };
      const document = toNounDocument({ kind: name, row: noun });
      const { matchedCount } = await changing(id, organizationOf(name, noun), () =>
        model.replaceOne({ _id: id, version }, document),
      );
      if (matchedCount === 0) throw changed(id);
      return noun;
    },
    async remove(id, version) {
      const noun = await find({ _id: id });
      if (!noun) throw changed(id);
      const { deletedCount } = await changing(id, organizationOf(name, noun), () =>
        model.deleteOne({ _id: id, version }),
      );
      if (deletedCount === 0) throw changed(id);
    },
    async page({ after, limit, ...among }) {
      const found = model
        .find({ ...toFilter(among), number: trusted({ $gt: Number(after ?? 0) }) })
        .sort({ number: 1 })
        .limit(limit + 1);
      const nouns = (await found.lean<NounDocument[]>()).map((document) => toNoun<C>(document));
      return toPage(nouns, limit, ({ number }) => number);
    },
    count: async (among, limit) =>
      toCounted(await model.countDocuments(toFilter(among), { limit: limit + 1 }), limit),
    listedValues: async (key) => (await model.distinct(`listed.${key}`)).map(String).sort(),
  };
}

export const REVISION = 'directory revision';

export function createDirectoryStore({ nouns }: Pick<Models, 'nouns'>, heads: Heads): DirectoryStore {
  const revision = createRevision(heads, REVISION);
  return {
    ...createCollections((name) => guardEach(createCollection(name, nouns[name], heads, revision))),
    revision: () => revision.read(),
    changesSince: (cursor) => readLog(heads, REVISION, cursor),
  };
}
