/** Where commands find the database of a resource: at a URL, or through a datasource of its organization. */
import { eachNoun } from '../directory/collections.ts';
import { didYouMean } from '../errors/similar.ts';
import type { Datasource } from '../nouns/index.ts';
import type { DirectoryStore } from '../storage/contract.ts';
import { type CommandIo, requireFound, UsageError } from './command.ts';
import { readSecret } from './input.ts';

/** @returns the URL, which `-` has on stdin; undefined: it is a datasource @throws UsageError for both */
export async function readDsn(
  {
    dsn,
    datasource,
    database,
  }: { readonly [name in 'dsn' | 'datasource' | 'database']?: string | undefined },
  io: CommandIo,
): Promise<string | undefined> {
  if (dsn !== undefined && (datasource ?? database) !== undefined)
    throw new UsageError('Give --dsn, or a datasource');
  return dsn === '-' ? readSecret('URL of the database: ', io) : dsn;
}

/** @param organization its id @throws CommandFailed */
export async function requireDatasource(
  organization: string,
  name: string,
  { datasources }: Pick<DirectoryStore, 'datasources'>,
): Promise<Datasource> {
  const named = await datasources.findBy('name', `${organization}/${name}`);
  const known = named ? [] : await Array.fromAsync(eachNoun(datasources, organization));
  const hint = didYouMean(
    name,
    known.map((each) => each.name),
  );
  return requireFound(named, `The organization has no datasource ${name}${hint}.`);
}
