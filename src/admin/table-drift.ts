/** Resources whose tables differ from those of the database that they were imported from. */
import { DatasourceAway } from '../datasources/connector.ts';
import type { Datasources } from '../datasources/datasources.ts';
import { eachNoun } from '../directory/collections.ts';
import { listSome } from '../errors/texts.ts';
import type { Resource } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { mergeTables, NothingFound, readTables } from './resource-import.ts';

/** Of each resource, in one sentence. */
const MAX_NAMED = 5;

interface DriftDeps {
  readonly store: Pick<DirectoryStore, 'resources' | 'datasources'>;
  readonly datasources: Pick<Datasources, 'inspect'>;
}

/** @returns sentences without an end; a database that is away is one of them */
export async function findTableDrift(deps: DriftDeps): Promise<string[]> {
  const sentences: string[] = [];
  for await (const resource of eachNoun(deps.store.resources))
    sentences.push(...(await findIn(resource, deps)));
  return sentences;
}

async function findIn(resource: Resource, { store, datasources }: DriftDeps): Promise<string[]> {
  const { importedFrom: from, identifier, organization } = resource;
  if (!from) return [];
  const source = `the datasource ${from.datasource}`;
  const datasource = await store.datasources.findBy('name', `${organization}/${from.datasource}`);
  if (!datasource) return [`The tables of ${identifier} were imported from ${source}, which is not there`];
  try {
    const place = { ...from, kind: datasource.kind };
    const read = await datasources.inspect(datasource, undefined, (connector) =>
      readTables(connector, place),
    );
    const { added, changed, gone } = mergeTables(resource, read, false);
    const different = [...added, ...changed, ...gone];
    if (different.length === 0) return [];
    return [
      `The tables of ${identifier} are not as in ${source} (${listSome(different, MAX_NAMED)}): resource import ${identifier} --dry-run shows what differs`,
    ];
  } catch (error) {
    if (error instanceof DatasourceAway || error instanceof NothingFound)
      return [`The tables of ${identifier} cannot be compared with ${source} (${error.message})`];
    throw error;
  }
}
