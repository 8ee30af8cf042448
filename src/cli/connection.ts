import { type ConnectionsDeps, createConnection, describeConnection } from '../admin/connections.ts';
import { findNamed } from '../admin/find-named.ts';
import { revokeConnection } from '../admin/revoke.ts';
import { ApplyRefused } from '../apply/apply.ts';
import { describe, findValue } from '../apply/problems.ts';
import { connection as connectionSchema } from '../apply/schema.ts';
import { duration } from '../config/values.ts';
import { eachNoun } from '../directory/collections.ts';
import { toOneLine } from '../errors/texts.ts';
import { defined } from '../storage/defined.ts';
import { type Command, CommandFailed, type CommandIo, requireFound, UsageError } from './command.ts';
import { type Given, lists, readArguments, texts, writeLines } from './input.ts';
import { openStore, operatorOf, requireOrganization } from './open.ts';

const options = {
  ...texts('application', 'resource', 'owner', 'permissions', 'lifetime'),
  ...lists('scope', 'network'),
};

type Values = Partial<Given<typeof options>>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('The permissions are not JSON');
  }
}

function parseSeconds(text: string): number {
  try {
    return duration('1m', '3650d').parse(text);
  } catch {
    throw new UsageError('The lifetime is not a duration such as 90d');
  }
}

/** As an apply file would have it. @throws UsageError */
function toEntry(name: string, { permissions, scope, network, lifetime, ...rest }: Values) {
  if (rest.application === undefined)
    throw new UsageError('Name the application that the connection belongs to: --application APPLICATION');
  const given = {
    name,
    ...rest,
    ...defined({
      permissions: permissions === undefined ? undefined : parseJson(permissions),
      scopes: scope,
      networks: network,
      lifetime: lifetime === undefined ? undefined : parseSeconds(lifetime),
    }),
  };
  const { data, error } = connectionSchema.safeParse(given);
  const issue = error?.issues[0];
  if (issue) throw new UsageError(`${issue.path.join('.')} ${describe(issue, findValue(given, issue.path))}`);
  return data as NonNullable<typeof data>;
}

async function create(name: string, values: Values, deps: ConnectionsDeps, io: CommandIo): Promise<void> {
  const [organizationName = '', connectionName, ...more] = name.split('/');
  if (!connectionName || more.length > 0) throw new UsageError('Name it organization/connection');
  const entry = toEntry(connectionName, values);
  const organization = await requireOrganization(organizationName, deps);
  try {
    const { token } = await createConnection(organization, entry, deps, operatorOf(io));
    showToken(token, io);
  } catch (error) {
    if (!(error instanceof ApplyRefused)) throw error;
    throw new CommandFailed(`The connection cannot be made: ${error.problems.join('; ')}.`);
  }
}

/** Alone on stdout, so that it can be piped to where it is needed. */
function showToken(token: string, io: CommandIo): void {
  writeLines(io.stderr, ['The connection token; it is not shown again:']);
  writeLines(io.stdout, [token]);
}

const verbs = ['create', 'list', 'show', 'rotate', 'drop-earlier', 'revoke'] as const;

export const connection: Command = {
  summary: 'Makes, shows, rotates and ends connections, whose tokens are exchanged for short ones.',
  usage: [
    'connection create ORGANIZATION/NAME --application APPLICATION [OPTIONS]',
    'connection list [ORGANIZATION]',
    'connection show CONNECTION',
    'connection rotate CONNECTION',
    'connection drop-earlier CONNECTION',
    'connection revoke CONNECTION',
  ],
  details: [
    '  CONNECTION     organization/name, or a UUID',
    '  --application  name of the application it belongs to',
    '  --resource     identifier of its resource, if it is not the one of the application',
    '  --owner        a user of the application: it allows no more than they may do, and ends with them',
    '  --permissions  JSON, such as \'{"tables":{"orders":{"read":true}}}\'; nothing if left out',
    '  --scope        a scope that it gives; may be repeated',
    '  --network      an IP address or CIDR block that it may be used from; may be repeated',
    '  --lifetime     such as 90d; 365d if left out',
    '',
    'After rotate the earlier token still works. drop-earlier ends it and everything made with it. Only the token goes to',
    'stdout.',
  ],
  async run(args, io) {
    const [verb = '', ...rest] = args;
    if (!(verbs as readonly string[]).includes(verb)) throw new UsageError('Say what to do with connections');
    const isBare = verb === 'list' && rest.length === 0;
    const { values, positionals } = readArguments(rest, verb === 'create' ? options : {}, isBare ? 0 : 1);
    const name = positionals[0] ?? '';
    await using opened = await openStore(io);
    if (verb === 'create') await create(name, values, opened, io);
    else if (verb === 'list') await list(name, opened, io);
    else await change(verb, name, opened, io);
  },
};

async function list(name: string, deps: ConnectionsDeps, io: CommandIo): Promise<void> {
  const organization = name === '' ? undefined : await requireOrganization(name, deps);
  for await (const each of eachNoun(deps.store.connections, organization?.id)) {
    writeLines(io.stdout, (await describeConnection(each, deps)).map(toOneLine));
  }
}

async function change(verb: string, name: string, deps: ConnectionsDeps, io: CommandIo): Promise<void> {
  const named = await findNamed(deps.store, 'connections', name);
  const found = requireFound(named, `There is no connection ${name}.`);
  const author = operatorOf(io);
  switch (verb) {
    case 'show':
      writeLines(io.stdout, (await describeConnection(found, deps)).map(toOneLine));
      break;
    case 'rotate':
      showToken((await deps.connections.rotate(found, author)).token, io);
      break;
    case 'drop-earlier':
      await deps.connections.dropEarlier(found, author);
      io.stdout.write('Dropped all connection tokens but the newest, and ended what was made with them.\n');
      break;
    default: {
      const what = await revokeConnection(found, { ...deps, author });
      writeLines(io.stdout, [toOneLine(`Revoked ${what}.`)]);
    }
  }
}
