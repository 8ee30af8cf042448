/**
 * Logging in as a row of a user table. Every failure has the same answer and takes the same time: for a tuple that is
 * not registered, Grantable asks another table for a user that does not exist.
 */
import { createHmac, randomUUID } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { GuessLimits } from '../accounts/authenticate-user.ts';
import type { HashQueue } from '../accounts/hash-queue.ts';
import type { DirectoryView } from '../directory/directory.ts';
import { MalformedRequest, ProofRejected } from '../errors/domain.ts';
import type { Datasource, Realm, UserTable } from '../nouns/index.ts';
import { accountNode } from '../registry/nodes.ts';
import { accountSubject, findUserTable, toHolder } from '../rights/database-accounts.ts';
import type { Holder } from '../rights/rights.ts';
import type { AccountFacts, ColumnValues } from '../storage/contract.ts';
import { defined } from '../storage/defined.ts';
import type { SecretRing } from '../storage/vault.ts';
import type { Row } from './connector.ts';
import { type Credentials, formatSettings } from './credentials.ts';
import type { Datasources } from './datasources.ts';
import type { Costs, Verify } from './password-formats/contract.ts';
import { dummyFor, type FormatSettings, parseStored, verifyParsed } from './password-formats/index.ts';
import { isNamed, keyCondition, type Person, readRow, rowQuery } from './rows.ts';

/** Which user table of a datasource a login means. */
export const PLACE = ['database', 'collection', 'usernameColumn', 'passwordColumn'] as const;

/** What a login names, each compared as a string with what is registered. */
export interface Tuple extends Pick<UserTable, (typeof PLACE)[number]> {
  /** Name of the datasource. */
  readonly instance: string;
}

/** An account whose row was just read. */
export interface DatabaseAccount {
  readonly subject: string;
  /** With the roles that its row gives. */
  readonly holder: Holder;
  /** Nodes above its tokens. */
  readonly nodes: readonly string[];
  readonly facts: AccountFacts;
  readonly claims: ColumnValues;
}

export interface DatabaseLogins {
  /**
   * @param request.realm of the application that the person logs in through
   * @throws ProofRejected alike for everything that is wrong; MalformedRequest for what no database is asked;
   *   TooManyAttempts; Unavailable when the database, or the queue for hashing, is not there
   */
  authenticate(request: {
    readonly organization: string;
    readonly realm: Realm;
    readonly tuple: Tuple;
    readonly username: string;
    readonly password: string;
    readonly address: string;
    readonly view: DirectoryView;
  }): Promise<DatabaseAccount>;
  /**
   * Looks at the row again.
   * @returns undefined if the row ends what the person had: it is gone, not active, or its password was changed
   * @throws ProofRejected if the table may not be asked, or does not tell who they are; Unavailable
   */
  check(
    subject: string,
    facts: AccountFacts,
    realm: Realm,
    view: DirectoryView,
  ): Promise<DatabaseAccount | undefined>;
}

export interface DatabaseLoginsDeps {
  readonly datasources: Pick<Datasources, 'findRows'>;
  readonly credentials: Credentials;
  readonly limits: GuessLimits;
  readonly queue: Pick<HashQueue, 'run'>;
  readonly hashCosts: Costs;
  /** Keys of the marks that tell one stored password from another. */
  readonly markKeys: Pick<SecretRing, 'current' | 'byId'>;
}

/** Bytes of a user name. */
const MAX_USERNAME = 1024;
/** User tables whose latest hash is remembered. */
const TABLES_KEPT = 10_000;
/** What is done where an organization has no user table at all. */
const NO_FORMAT: FormatSettings = { format: 'bcrypt' };
const NOBODY: Looked = { isActive: false, password: dummyFor(NO_FORMAT) };

/** What a look at the rows found. */
interface Looked {
  readonly account?: DatabaseAccount;
  readonly isActive: boolean;
  /** To be compared with the password; a dummy if there is no account. */
  readonly password: Verify;
}

interface Found {
  readonly datasource: Datasource;
  readonly table: UserTable;
}

function isUsable({ enabled, verified }: UserTable): boolean {
  return enabled && verified;
}

/** All that may be asked. */
function usableTables(datasources: readonly Datasource[]): Found[] {
  return datasources.flatMap((datasource) =>
    datasource.userTables.filter(isUsable).map((table) => ({ datasource, table })),
  );
}

function isMeant({ datasource, table }: Found, tuple: Tuple, realm: Realm): boolean {
  return (
    datasource.name === tuple.instance &&
    table.realm === realm &&
    PLACE.every((part) => table[part] === tuple[part])
  );
}

function requireAskable(username: string): void {
  if (Buffer.byteLength(username) > MAX_USERNAME) throw new ProofRejected({ reason: 'user name too long' });
  if (username.includes('\0') || !username.isWellFormed()) {
    throw new MalformedRequest({
      description: 'The user name holds characters that a database cannot store.',
    });
  }
}

export function createDatabaseLogins(deps: DatabaseLoginsDeps): DatabaseLogins {
  const { datasources, credentials, limits, queue, markKeys } = deps;
  /** Of each user table the latest row, so that a login without an account costs as much as one with. */
  const latest = new LRUCache<string, Row>({ max: TABLES_KEPT });

  const settingsOf = ({ datasource, table }: Found): FormatSettings =>
    formatSettings(datasource, table, credentials, deps.hashCosts);

  function markOf({ stored, passwordChangedAt }: Person, { id, key } = markKeys.current()): string {
    const { hash, salt } = stored;
    const text = JSON.stringify(
      [hash, salt, passwordChangedAt].map((value) => (value === undefined ? null : String(value))),
    );
    return `${id}$${createHmac('sha256', key).update(text).digest('base64url').slice(0, 22)}`;
  }

  function hasMark(person: Person, mark: string): boolean {
    const [id = ''] = mark.split('$');
    const key = markKeys.byId(id);
    return key !== undefined && markOf(person, { id, key }) === mark;
  }

  function toAccount(
    { datasource, table }: Found,
    person: Person,
    mark?: string,
  ): DatabaseAccount | undefined {
    const subject = accountSubject(datasource, table, person.id);
    if (subject === undefined) return undefined;
    const { groups, columns, key, username, claims } = person;
    return {
      subject,
      holder: toHolder(table, subject, username, person),
      nodes: [datasource.id, accountNode(subject)],
      facts: {
        datasource: datasource.id,
        userTable: table.id,
        groups,
        ...(table.claims.length > 0 && { columns }),
        key,
        username,
        mark: mark ?? markOf(person),
      },
      claims,
    };
  }

  const read = ({ table }: Found, row: Row | undefined): Person | undefined => row && readRow(row, table);
  const parse = (found: Found, person: Person | undefined): Verify | undefined =>
    person && parseStored(settingsOf(found), person.stored);

  /** What the rows say, and as much work where they say nothing: then the latest row is looked at instead. */
  function look(found: Found, [row, second]: readonly Row[], typed: string): Looked {
    const { table } = found;
    const person = read(found, row ?? latest.get(table.id));
    const account = person && toAccount(found, person);
    const stored = parse(found, person);
    const isSomebody =
      row !== undefined && second === undefined && account !== undefined && isNamed(row, table, typed);
    if (row && stored && isSomebody) latest.set(table.id, row);
    const nobody = (): Verify =>
      dummyFor(settingsOf(found), stored ?? parse(found, read(found, latest.get(table.id))));
    return defined({
      account: isSomebody ? account : undefined,
      isActive: isSomebody && person?.isActive === true,
      password: isSomebody && stored ? stored : nobody(),
    });
  }

  async function findRows(asked: Found | undefined, username: string): Promise<readonly Row[]> {
    if (!asked) return [];
    const { datasource, table } = asked;
    const wanted = { column: table.usernameColumn, equals: username };
    return datasources.findRows(datasource, rowQuery(table, wanted));
  }

  return {
    async authenticate({ organization, realm, tuple, username, password, address, view }) {
      requireAskable(username);
      const usable = usableTables(await view.findDatasources(organization));
      const named = usable.find((each) => isMeant(each, tuple, realm));
      const decoy = usable.find(({ datasource }) => datasource.name === tuple.instance) ?? usable[0];
      const asked = named ?? decoy;
      // Before the query: a refused guess must not load the customer's database.
      const toName = (login: string): string => `datasource/${asked?.table.id}/${login}`;
      const attempt = await limits.passwordAttempt(toName(username), address);
      const rows = await findRows(asked, named ? username : randomUUID()).catch(async (error) => {
        await attempt.abandoned();
        throw error;
      });
      const looked = asked ? look(asked, rows, username) : NOBODY;
      const account = named ? looked.account : undefined;
      const mayLook = await attempt.reach(account?.subject);
      const stored = account && mayLook ? looked.password : dummyFor(NO_FORMAT, looked.password);
      const ok = await queue
        .run({ organization, address }, () => verifyParsed(stored, password))
        .catch(async (error) => {
          await attempt.crowdedOut();
          throw error;
        });
      if (!account || !looked.isActive || !ok) {
        await attempt.failed();
        throw new ProofRejected({ reason: reasonOf(named, { rows, account, mayLook, ok }) });
      }
      await attempt.succeeded([toName(account.facts.username)]);
      return account;
    },

    async check(subject, facts, realm, view) {
      const found = await findUserTable(view, facts);
      const table = found?.userTable;
      if (!found || !table || !isUsable(table) || table.realm !== realm) {
        throw new ProofRejected({ reason: 'the user table is gone, not verified, or of another realm' });
      }
      const query = rowQuery(table, keyCondition(table.subjectColumn, facts.key));
      const [row, second] = await datasources.findRows(found.datasource, query);
      if (!row) return undefined;
      const person = second ? undefined : readRow(row, table);
      const account = person && toAccount({ datasource: found.datasource, table }, person, facts.mark);
      if (account?.subject !== subject) throw new ProofRejected({ reason: 'the key finds another row too' });
      return person?.isActive && hasMark(person, facts.mark) ? account : undefined;
    },
  };
}

/** For the log only. */
function reasonOf(
  named: Found | undefined,
  facts: { rows: readonly Row[]; account: DatabaseAccount | undefined; mayLook: boolean; ok: boolean },
): string {
  if (!named) return 'no such user table is registered for this application';
  const { datasource, table } = named;
  return `${wrongWith(facts)}, in the table ${table.collection} of datasource ${datasource.name}`;
}

function wrongWith({ rows, account, mayLook, ok }: Parameters<typeof reasonOf>[1]): string {
  if (rows.length === 0) return 'no row has this user name';
  if (rows.length > 1) return 'more than one row has this user name';
  if (!account) return 'the row has no usable key, or is not of this user name';
  if (!mayLook) return 'the account has no guesses left';
  return ok ? 'the row is not active' : 'wrong password';
}
