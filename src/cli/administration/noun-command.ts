/** A command that administers one kind of noun: `grantable user list acme`. */
import { createInterface } from 'node:readline';
import type { ReadStream } from 'node:tty';
import { z } from 'zod';
import type { Operation } from '../../admin/operations/operation.ts';
import { didYouMean } from '../../errors/similar.ts';
import { quote, toOneLine } from '../../errors/texts.ts';
import { isNounId } from '../../nouns/index.ts';
import { type Command, CommandFailed, type CommandIo, UsageError } from '../command.ts';
import { flags, lists, readArguments, texts, writeLines } from '../input.ts';
import type { Administration } from './administration.ts';
import { eachListed, findId, membersOf, type Reference, readReference } from './names.ts';
import { findVerb, type NounCommand, nounCommands, type Verb } from './nouns.ts';
import { withProgress } from './progress.ts';
import { readBody } from './set-values.ts';
import { type Found, wantsJson, writeArray, writeObject, writeTable } from './show.ts';

const common = { ...flags('json'), ...texts('server') };

/** Of one call of a command. */
interface Given {
  readonly json?: boolean;
  readonly server?: string;
  readonly file?: string;
  readonly set?: string[];
  readonly unset?: string[];
  readonly limit?: string;
  readonly format?: string;
  readonly yes?: boolean;
  readonly 'dry-run'?: boolean;
  readonly [query: string]: string | string[] | boolean | undefined;
}

interface Work {
  readonly noun: NounCommand;
  readonly verb: Verb;
  readonly operation: Operation;
  readonly given: Given;
  readonly administration: Administration;
  readonly io: CommandIo;
}

/** The names of query parameters that are options of their own. */
function queryKeys({ query }: Operation): readonly string[] {
  if (!(query instanceof z.ZodObject)) return [];
  return Object.keys(query.shape).filter((key) => key !== 'after' && key !== 'limit');
}

const isList = ({ query }: Operation): boolean => query instanceof z.ZodObject && 'after' in query.shape;

/** The options that an operation takes. */
function optionsOf(operation: Operation, verb: Verb) {
  return {
    ...common,
    ...texts(...queryKeys(operation)),
    ...(isList(operation) && texts('limit')),
    ...(verb.formats && texts('format')),
    ...(operation.body && { ...texts('file'), ...lists('set') }),
    ...texts(...(verb.members ?? [])),
    ...(operation.method === 'PATCH' && lists('unset')),
    ...(operation.mayDryRun && flags('dry-run')),
    ...(verb.asks && flags('yes')),
  };
}

function argumentsOf({ about, second }: Verb): { readonly least: number; readonly most: number } {
  const own = about === 'noun' || about === 'organization' ? 1 : 0;
  const further = second ? 1 : 0;
  const least = own + (second?.isShown ? 0 : further);
  return { least, most: own + further + (about === 'any' ? 1 : 0) };
}

function usageOf({ singular, named }: NounCommand, { words, about, second }: Verb): string {
  const named1 = named.split(',')[0] ?? named;
  const subject = { noun: named1, organization: 'ORGANIZATION', any: '[ORGANIZATION]', nothing: '' }[about];
  const further = second?.isShown ? `[${second.argument}]` : (second?.argument ?? '');
  return [singular, words, words === 'create' ? named1 : subject, further, '[OPTIONS]']
    .filter((part) => part !== '')
    .join(' ');
}

const DETAILS = [
  '--file reads a body from YAML or JSON, - from stdin; for change it is a merge patch. --set path=value sets a member of it,',
  `as JSON or as text, as in displayName=Ann and 'roles=["clerk"]'; dots lead into a group, as in token.ttl=600. --unset path`,
  'takes one away. --dry-run only shows what would change. Lists take what they may be narrowed to as options, and --limit.',
  'On a terminal the answer is a table or YAML, elsewhere and with --json it is JSON: one array for a list. On a terminal',
  'remove asks first, except with --yes.',
  '',
  'Without --server it works on the configured store. With --server URL it asks that server, with the access token in',
  'GRANTABLE_TOKEN.',
];

/** @param others what the command does beside, by its first argument */
export function createNounCommand(singular: string, others: Readonly<Record<string, Command>> = {}): Command {
  const noun = nounCommands.find((each) => each.singular === singular) as NounCommand;
  const further = Object.values(others);
  return {
    summary: noun.summary,
    usage: [...noun.verbs.map((verb) => usageOf(noun, verb)), ...further.flatMap(({ usage }) => usage)],
    details: [
      ...noun.verbs.map(({ words, says }) => `  ${words.padEnd(22)}${says}`),
      '',
      ...(noun.named === '' ? [] : [`One is named ${noun.named}, or by a UUID instead of the name.`]),
      ...DETAILS,
      ...further.flatMap(({ details = [] }) => ['', ...details]),
    ],
    async run(args, io) {
      const own = others[args[0] ?? ''];
      if (own) return own.run(args, io);
      const found = findVerb(noun, args);
      if (!found) throw new UsageError(describeVerbs(noun, args[0], Object.keys(others)));
      const { openAdministration } = await import('./open.ts');
      const { requireOperation } = await import('./administration.ts');
      const operation = requireOperation(found.verb.operation);
      const { least, most } = argumentsOf(found.verb);
      const options = optionsOf(operation, found.verb);
      const { values, positionals } = readArguments(found.rest, options, least, most);
      const given = values as unknown as Given;
      await using administration = await openAdministration(given.server, io);
      await run({ noun, verb: found.verb, operation, given, administration, io }, positionals);
      return undefined;
    },
  };
}

function describeVerbs(
  { singular, verbs }: NounCommand,
  typed: string | undefined,
  others: string[],
): string {
  const words = [...verbs.map((verb) => verb.words), ...others];
  const known = words.join(', ');
  if (typed === undefined) return `Say what to do: ${known}`;
  return `Unknown verb ${quote(typed)} of ${singular}${didYouMean(typed, words)}. Use ${known}`;
}

/** What an operation is asked for. */
interface Target {
  readonly id: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** Of the body. */
  readonly members?: Readonly<Record<string, string>>;
  /** For sentences. */
  readonly name: string;
}

async function run(work: Work, positionals: readonly string[]): Promise<void> {
  const { verb, operation, given, io, administration } = work;
  const target = await findTarget(work, positionals);
  const query = await readQuery(work, target);
  if (isList(operation)) return list(work, target, query);
  if (verb.formats) return stream(work, target, query, verb.formats);
  const set = [...membersGiven(verb, given), ...(given.set ?? [])];
  const body = operation.body ? { ...target.members, ...(await readBody({ ...given, set }, io)) } : undefined;
  const dryRun = given['dry-run'] === true;
  if (verb.asks && !dryRun && given.yes !== true) await confirm(describeEffect(verb, target), io);
  const request = { parameters: target.parameters, query, ...(body !== undefined && { body }), dryRun };
  const answered = await withProgress(
    io,
    () => `${target.name}: working`,
    async () => {
      const version = operation.conditional ? await readVersion(work, target) : undefined;
      return administration.call(target.id, { ...request, ...(version !== undefined && { version }) });
    },
  );
  if (answered.body !== undefined) writeObject(answered.body, wantsJson(given.json, io), io.stdout);
  if (verb.done !== undefined && !dryRun && io.stderr.isTTY === true) {
    writeLines(io.stderr, [toOneLine(`${verb.done} ${target.name}.`)]);
  }
}

/** Such as `role acme/clerk: removes it, with all that belongs to it.` */
function describeEffect({ says }: Verb, { name }: Target): string {
  return `${name}: ${says.charAt(0).toLowerCase()}${says.slice(1).replace(/ one\b/, ' it')}`;
}

/** As `--set` has them. */
function membersGiven({ members = [] }: Verb, given: Given): string[] {
  return members.flatMap((name) => (given[name] === undefined ? [] : [`${name}=${String(given[name])}`]));
}

/** The object is read first, so that a change by others in between is refused instead of overwritten. */
async function readVersion(
  { noun, administration }: Work,
  { parameters }: Target,
): Promise<number | undefined> {
  return (await administration.call(`${noun.collection}.get`, { parameters })).version;
}

async function findTarget(work: Work, [first = '', second]: readonly string[]): Promise<Target> {
  const { noun, verb, administration } = work;
  const { about, operation: id } = verb;
  if (about === 'nothing') return { id, name: `the ${noun.collection}` };
  const ofOrganization = { organization: first };
  if (about === 'any') {
    if (first === '') return { id, name: 'the server' };
    return { id: `organizations.${id}`, parameters: ofOrganization, name: first };
  }
  const name = `${noun.singular} ${first}`;
  const isNew = verb.words === 'create';
  if (noun.collection === 'organizations') {
    return isNew ? { id, members: { name: first }, name } : { id, parameters: ofOrganization, name };
  }
  if (about === 'organization' && !isNew) return { id, parameters: ofOrganization, name };
  const reference = readReference(first, noun.named);
  const { organization } = reference;
  if (isNew) {
    return { id, parameters: { organization }, members: membersOf(noun.collection, reference.name), name };
  }
  const parameters = {
    organization,
    [noun.singular]: await findId(administration, noun.collection, reference),
  };
  const { parameter, member, isShown } = verb.second ?? {};
  if (parameter !== undefined) {
    const part = await findPart(work, parameters, second ?? '');
    return { id, parameters: { ...parameters, [parameter]: part }, name };
  }
  if (member === undefined) return { id, parameters, name };
  const said = second === undefined && isShown ? await agreeTo(work, parameters, name) : (second ?? '');
  return { id, parameters, members: { [member]: said }, name };
}

/** The member that was left out, of what the person at a terminal is shown. @throws UsageError, CommandFailed */
async function agreeTo(
  { noun, verb, administration, io }: Work,
  parameters: Record<string, string>,
  name: string,
) {
  const { argument = '', member = '' } = verb.second ?? {};
  if (io.stdin.isTTY !== true) {
    throw new UsageError(`Name the ${argument} that you looked at: ${noun.singular} show has it`);
  }
  const { body } = await administration.call(`${noun.collection}.get`, { parameters });
  writeObject(body, false, io.stderr);
  await confirm(`${verb.says.split(':')[0]}: ${name}`, io);
  return String((body as Found)[member]);
}

/** Something that belongs to a noun, by its name or id, among those that the list beside the operation gives. */
async function findPart({ verb, administration }: Work, parameters: Record<string, string>, name: string) {
  if (isNounId(name)) return name;
  const id = verb.operation.replace(/\.\w+$/, '.list');
  const { body } = await administration.call(id, { parameters });
  const { items } = body as { items: readonly Found[] };
  const found = items.find((item) => item.name === name || item.id === name);
  if (!found) throw new CommandFailed(`It has no ${verb.second?.argument.toLowerCase()} ${quote(name)}.`);
  return String(found.id);
}

/** What lists may be narrowed to by the name of a noun, and the collection that has it. */
const NAMED_IN_QUERIES: Readonly<Record<string, string>> = {
  application: 'applications',
  user: 'users',
  role: 'roles',
  connection: 'connections',
  owner: 'users',
};

async function readQuery({ operation, given, administration }: Work, { parameters }: Target) {
  const query: Record<string, string> = {};
  for (const key of queryKeys(operation)) {
    const value = given[key];
    if (typeof value !== 'string') continue;
    const collection = NAMED_IN_QUERIES[key];
    const { organization } = parameters ?? {};
    const reference: Reference | undefined =
      collection !== undefined && organization !== undefined ? { organization, name: value } : undefined;
    query[key] = collection && reference ? await findId(administration, collection, reference) : value;
  }
  return query;
}

async function list(work: Work, target: Target, query: Record<string, string>): Promise<void> {
  const { noun, given, administration, io } = work;
  const most = readLimit(given.limit);
  let count = 0;
  const counted = async function* (): AsyncGenerator<Found> {
    for await (const item of eachListed(administration, target.id, target.parameters, query, most)) {
      count += 1;
      yield item;
    }
  };
  await withProgress(
    io,
    () => `${count} so far`,
    async (stdout) => {
      if (wantsJson(given.json, io)) await writeArray(counted(), stdout);
      else await writeTable(counted(), noun.columns, stdout);
    },
  );
  if (count === 0 && !wantsJson(given.json, io)) writeLines(io.stderr, ['The list is empty.']);
}

/** @throws UsageError */
function readLimit(limit: string | undefined): number | undefined {
  if (limit === undefined) return undefined;
  if (/^[1-9]\d{0,8}$/.test(limit)) return Number(limit);
  throw new UsageError(`--limit ${quote(limit)} is not a whole number above 0`);
}

async function stream(
  { given, administration, io }: Work,
  { id, parameters }: Target,
  query: Record<string, string>,
  formats: Readonly<Record<string, string>>,
): Promise<void> {
  const names = Object.keys(formats);
  const format = given.format ?? names[0] ?? '';
  const media = Object.hasOwn(formats, format) ? formats[format] : undefined;
  if (media === undefined)
    throw new UsageError(`--format ${quote(format)} is unknown. Use ${names.join(' or ')}`);
  let bytes = 0;
  await withProgress(
    io,
    () => `${bytes} characters so far`,
    async (stdout) => {
      for await (const piece of administration.lines(id, media, { parameters, query })) {
        bytes += piece.length;
        stdout.write(piece);
      }
    },
  );
}

/**
 * Asks the person at a terminal; a program is not asked.
 * @throws CommandFailed unless the answer is yes
 */
async function confirm(what: string, { stdin, stderr }: CommandIo): Promise<void> {
  if (stdin.isTTY !== true) return;
  stderr.write(`${toOneLine(what)}\nType yes to go on: `);
  const lines = createInterface({ input: stdin as unknown as ReadStream });
  for await (const line of lines) {
    lines.close();
    if (/^\s*y(?:es)?\s*$/i.test(line)) return;
    break;
  }
  throw new CommandFailed('Nothing was done.');
}
