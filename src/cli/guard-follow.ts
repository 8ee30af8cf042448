import { toOneLine } from '../errors/texts.ts';
import { toDsnConfig, withDatabase } from '../guard/connect.ts';
import { stopChecking } from '../guard/feed-tables.ts';
import { followForDatabase } from '../guard/follow.ts';
import { keysOf } from '../resource-server/revocation-feed.ts';
import { type Command, type CommandIo, UsageError } from './command.ts';
import { flags, type Given, readArguments, readSecret, texts, writeLines } from './input.ts';

const options = {
  ...texts('dsn', 'issuer', 'resource', 'client-id', 'back-channel', 'max-silence'),
  ...flags('stop-checking'),
};

type Values = Partial<Given<typeof options>>;

const SECRET = 'GRANTABLE_CLIENT_SECRET';
/** Seconds. */
const MAX_SILENCE = { least: 3, most: 3600, usual: 30 };

export const guardFollow: Command = {
  summary: 'Tells a guarded PostgreSQL which tokens have ended, as long as it runs.',
  usage: [
    'guard follow --dsn URL --issuer URL --resource IDENTIFIER --client-id ID [--max-silence 30] [--back-channel URL]',
    'guard follow --dsn URL --stop-checking',
  ],
  details: [
    'follow writes what ended at the issuer into a guarded database, within two seconds. It needs no store of Grantable.',
    'Once it has written its first list, the database gives nothing for ended tokens, and nothing at all while nothing',
    'was heard of the issuer for longer than --max-silence seconds, also when follow was stopped. Several may run.',
    '',
    '  --dsn            the database, such as postgres://follower@host/database; its password may be in PGPASSWORD. The',
    '                   role needs SELECT, INSERT, UPDATE and DELETE on grantable.ended and grantable.feed only',
    '  --issuer         of the tokens, and --resource they are for, as the guard was made for them',
    `  --client-id      an application that lists the resource in introspects. Its secret is in ${SECRET}, or`,
    '                   comes from stdin',
    `  --max-silence    ${MAX_SILENCE.least} to ${MAX_SILENCE.most} seconds (${MAX_SILENCE.usual})`,
    '  --back-channel   where the issuer answers servers, if not at its own URL',
    '  --stop-checking  the database does not check any more whether tokens have ended: end all that follow first, and',
    '                   give tokens short lifetimes',
  ],
  async run(args, io) {
    const { values } = readArguments(args, options, 0);
    const database = toDsnConfig(required(values, 'dsn'), io.env);
    if (values['stop-checking']) {
      const seconds = await withDatabase(database, stopChecking);
      writeLines(io.stdout, [
        seconds === undefined
          ? 'The database did not check whether tokens have ended.'
          : `The database does not check whether tokens have ended. The feed was heard ${Math.round(seconds)} s ago: a process that still follows makes it check again.`,
      ]);
      return;
    }
    const issuer = readUrl(values, 'issuer');
    const resource = required(values, 'resource');
    const clientId = required(values, 'client-id');
    const server = values['back-channel'] === undefined ? issuer : readUrl(values, 'back-channel');
    const maxFeedSilence = readSeconds(values['max-silence']);
    const clientSecret = io.env[SECRET] ?? (await readSecret(`Secret of ${toOneLine(clientId)}: `, io));
    if (clientSecret === '') throw new UsageError(`There is no secret: set ${SECRET}, or write it to stdin`);

    const stopping = new AbortController();
    io.stopRequested().then(() => stopping.abort());
    writeLines(
      io.stdout,
      [
        `Following ${server}/oauth/revocations.`,
        `The database gives nothing while nothing is heard for longer than ${maxFeedSilence} s, also after this command was stopped. To go back to tokens that are not checked: grantable guard follow --dsn URL --stop-checking`,
      ].map(toOneLine),
    );
    await followForDatabase(
      {
        ...{ issuer, server, resource, clientId, clientSecret, maxFeedSilence, database },
        keys: keysOf(server),
        now: io.now,
        ...createReport(io),
      },
      stopping.signal,
    );
  },
};

/** Says what changes: an error that goes on is told once. */
function createReport({ stdout, stderr }: CommandIo) {
  let last: string | undefined;
  return {
    onHeard(): void {
      if (last !== 'heard') writeLines(stdout, ['The database knows all that has ended.']);
      last = 'heard';
    },
    onError(error: unknown): void {
      const told = toOneLine((error as Error).message);
      if (last !== told) writeLines(stderr, [`${told} Trying again.`]);
      last = told;
    },
  };
}

/** @throws UsageError */
function required(
  values: Values,
  name: 'dsn' | 'issuer' | 'resource' | 'client-id' | 'back-channel',
): string {
  const value = values[name];
  if (value === undefined || value === '') throw new UsageError(`--${name} is missing`);
  return value;
}

/** @throws UsageError */
function readUrl(values: Values, name: 'issuer' | 'back-channel'): string {
  const text = required(values, name);
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.search === '' && url.hash === '')
    return text.replace(/\/$/, '');
  throw new UsageError(`--${name} must be a URL such as https://id.example.com, and not ${toOneLine(text)}`);
}

/** @throws UsageError */
function readSeconds(text = String(MAX_SILENCE.usual)): number {
  const seconds = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (seconds >= MAX_SILENCE.least && seconds <= MAX_SILENCE.most) return seconds;
  throw new UsageError(
    `--max-silence must be ${MAX_SILENCE.least} to ${MAX_SILENCE.most} seconds, and not ${toOneLine(text)}`,
  );
}
