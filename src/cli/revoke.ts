import { findApplication, findUsers } from '../admin/find-named.ts';
import { describeOtherIssuer } from '../admin/other-issuer.ts';
import {
  type RevokeDeps,
  revokeAccount,
  revokeApplication,
  revokeConsent,
  revokeEverything,
  revokeOrganization,
  revokeToken,
  revokeUser,
} from '../admin/revoke.ts';
import { toOneLine } from '../errors/texts.ts';
import type { Application, User } from '../nouns/index.ts';
import type { Foundations } from '../server/foundations.ts';
import { defined } from '../storage/defined.ts';
import { type Command, CommandFailed, requireFound, UsageError } from './command.ts';
import { flags, type Given, readArguments, readToken, texts, writeLines } from './input.ts';
import { openStore, operatorOf, requireOrganization } from './open.ts';

const options = {
  ...texts('token', 'user', 'consent', 'application', 'organization'),
  ...flags('all'),
};

/** @throws CommandFailed when there is no such thing, or several */
async function revokeNamed(
  { token, user, consent, application, organization }: Omit<Given<typeof options>, 'all'>,
  deps: RevokeDeps & Pick<Foundations, 'config'>,
): Promise<string> {
  if (token !== undefined) {
    const otherIssuer = describeOtherIssuer(token, deps.config.issuer);
    return requireFound(
      await revokeToken(token, deps),
      otherIssuer === undefined
        ? 'There is no such token, or it has expired: nothing was revoked.'
        : `Nothing was revoked. The token is not known here: ${otherIssuer}.`,
    );
  }
  if (user?.startsWith('datasource:') && consent === undefined) {
    return requireFound(await revokeAccount(user, deps), `There is no datasource that ${user} is of.`);
  }
  if (user !== undefined && consent !== undefined) {
    const [who, what] = [await requireUser(user, deps), await requireApplication(consent, deps)];
    return revokeConsent(who, what, deps);
  }
  if (user !== undefined) return revokeUser(await requireUser(user, deps), deps);
  if (application !== undefined) {
    return revokeApplication(await requireApplication(application, deps), deps);
  }
  if (organization === undefined) return revokeEverything(deps);
  return revokeOrganization(await requireOrganization(organization, deps), deps);
}

async function requireApplication(name: string, { store }: RevokeDeps): Promise<Application> {
  return requireFound(
    await findApplication(store, name),
    `There is no application ${name}. Name it organization/application, or by its client id.`,
  );
}

async function requireUser(name: string, { store }: RevokeDeps): Promise<User> {
  const users = await findUsers(store, name);
  const [user, other] = users;
  if (user && other) {
    const ids = users.map(({ id, realm }) => `${id} (${realm.split(':')[0]})`).join(', ');
    throw new CommandFailed(`${name} are several users: give the id of one, ${ids}.`);
  }
  return requireFound(user, `There is no user ${name}. Name it organization/application/username.`);
}

export const revoke: Command = {
  summary:
    'Ends a token and what came from it, or all tokens and logins of a user, an application or an organization.',
  usage: [
    'revoke --token TOKEN',
    'revoke --user USER',
    'revoke --user USER --consent APPLICATION',
    'revoke --application APPLICATION',
    'revoke --organization ORGANIZATION',
    'revoke --all',
  ],
  details: [
    '  TOKEN        an access, refresh or connection token; with -, it is read from stdin',
    '  USER         organization/application/username, organization/username for users of the organization itself,',
    '               management/username for administrators, or a UUID; for a person in a table of your own the `sub` of a',
    '               token, datasource:...',
    '  APPLICATION  organization/application, a client id, or a UUID',
    '',
    'With --consent, Grantable ends all that the application holds of the user, and asks again at the next login.',
    'Users can log in again and applications get new tokens; to keep them out, disable them with apply.',
  ],
  async run(args, io) {
    const { values } = readArguments(args, options, 0);
    const { consent, ...things } = values;
    if (Object.keys(things).length !== 1) throw new UsageError('Say what to revoke, one thing at a time');
    if (consent !== undefined && things.user === undefined) {
      throw new UsageError('Say whose consent to revoke with --user');
    }
    const token = values.token === undefined ? undefined : await readToken(values.token, io);
    await using opened = await openStore(io);
    const deps = { ...opened, author: operatorOf(io) };
    const what = await revokeNamed({ ...values, ...defined({ token }) }, deps);
    writeLines(io.stdout, [toOneLine(`Revoked ${what}.`)]);
  },
};
