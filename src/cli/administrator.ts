import { randomBytes } from 'node:crypto';
import type { Administrators } from '../accounts/administrators.ts';
import { findUsers } from '../admin/find-named.ts';
import { toOneLine } from '../errors/texts.ts';
import type { User } from '../nouns/index.ts';
import type { Foundations } from '../server/foundations.ts';
import { defined } from '../storage/defined.ts';
import { type Found, wantsJson, writeArray, writeTable } from './administration/show.ts';
import { type Command, type CommandIo, requireFound, UsageError } from './command.ts';
import { flags, type Given, readArguments, readSecret, texts, writeLines } from './input.ts';
import { openStore, operatorOf } from './open.ts';

const VERBS = {
  create: { ...flags('generate'), ...texts('email') },
  reset: flags('generate'),
  list: flags('json'),
};

type Values = Partial<Given<typeof VERBS.create & typeof VERBS.list>>;

export const administrator: Command = {
  summary: 'Makes administrators of the server, and gives one the account back who lost it.',
  usage: [
    'administrator create USERNAME [--email ADDRESS] [--generate]',
    'administrator reset USERNAME [--generate]',
    'administrator list [--json]',
  ],
  details: [
    'An administrator has all rights over the server: the role owner. Grantable asks for the password without an echo, or',
    'reads it from stdin. It has at least 15 characters. With --generate, Grantable makes one and writes it to stdout; it',
    'is not shown again.',
    '',
    'reset is for a person who cannot log in: it sets a new password, enables the account, removes the second factor,',
    'gives the role owner back and ends all logins. The audit log says who did it.',
  ],
  async run(args, io) {
    const [verb = '', ...rest] = args;
    if (!Object.hasOwn(VERBS, verb)) {
      throw new UsageError('Say what to do with administrators: use create, reset or list');
    }
    const options = VERBS[verb as keyof typeof VERBS];
    const { values, positionals } = readArguments(rest, options, verb === 'list' ? 0 : 1);
    const [username = ''] = positionals;
    const { email, generate, json } = values as Values;
    // The first one is made before the server has ever started.
    await using opened = await openStore(io, verb === 'create' ? 'create' : 'refuse');
    if (verb === 'list') return list(opened, wantsJson(json, io), io);
    const author = { ...operatorOf(io), managedBy: 'api' } as const;
    const { administrators } = opened;
    const before = verb === 'reset' ? await requireAdministrator(username, opened) : undefined;
    const password = await choosePassword(username, generate === true, io);
    if (before) await administrators.reset(before, password, author);
    else {
      const wanted = { username, password, ...defined({ email }) };
      await administrators.create(await administrators.prepare(wanted, author), author);
    }
    if (generate) {
      writeLines(io.stderr, ['The password; it is not shown again:']);
      writeLines(io.stdout, [password]);
    }
    const done = before ? 'Gave the account back to the administrator' : 'Made the administrator';
    writeLines(io.stderr, [toOneLine(`${done} ${before?.username ?? username}.`)]);
    return undefined;
  },
};

/** @throws CommandFailed */
async function requireAdministrator(username: string, { store }: Pick<Foundations, 'store'>): Promise<User> {
  const [found] = await findUsers(store, `management/${username}`);
  return requireFound(found, `There is no administrator ${username}.`);
}

async function choosePassword(username: string, generate: boolean, io: CommandIo): Promise<string> {
  if (generate) return randomBytes(18).toString('base64url');
  const password = await readSecret(`New password of ${toOneLine(username)}: `, io);
  if (password === '') throw new UsageError('No password was given. Pipe one in, or use --generate');
  if (io.stdin.isTTY !== true) return password;
  // Typed blind: a slip would lock the person out.
  if ((await readSecret('The same again: ', io)) === password) return password;
  throw new UsageError('The password was not repeated exactly');
}

async function list(
  { administrators }: { administrators: Administrators },
  json: boolean,
  { stdout }: CommandIo,
): Promise<undefined> {
  const shown = async function* (): AsyncGenerator<Found> {
    for await (const { id, username, email, enabled, secondFactor } of administrators.each()) {
      yield defined({ id, username, email, enabled, secondFactor });
    }
  };
  if (json) await writeArray(shown(), stdout);
  else await writeTable(shown(), ['username', 'email', 'enabled', 'secondFactor'], stdout);
  return undefined;
}
