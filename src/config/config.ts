/** The configuration as all code after `load` sees it: typed, whole, frozen; no defaults and no text to parse. */

import type { ApplyFile } from '../apply/schema.ts';
import { toOneLine } from '../errors/texts.ts';
import type { Limit, ThrottleLimits } from '../http/throttle.ts';
import type { SmtpServer } from '../mail/smtp.ts';
import type { MasterKey } from '../storage/master-key.ts';
import type { TrustedProxies } from './addresses.ts';
import type { LogLevel, Signing, SqliteSync, StoragePlace } from './values.ts';

export interface Config {
  /** `NODE_ENV=production` */
  readonly production: boolean;
  /** Compared as a string; without a slash at the end. */
  readonly issuer: string;
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Absolute, as all paths here. */
  readonly dataDir: string;
  readonly storage: StoragePlace;
  /** Where a SQLite store puts commits on the disk. */
  readonly sqliteSync: SqliteSync;
  readonly masterKey: MasterKey;
  /** Beside the issuer's: hosts under which back-channel endpoints answer, in lower case, with port where one was given. */
  readonly hosts: readonly string[];
  readonly trustedProxies: TrustedProxies;
  /** Private hosts and networks that datasources may have. */
  readonly datasourceHosts: readonly string[];
  /** Hosts, each with or without a port, that webhooks may be sent to although they are private. */
  readonly webhookHosts: readonly string[];
  /** The same for what agents name: their metadata documents and keys. */
  readonly agentHosts: readonly string[];
  /** Absent: mails are files, and in production no mails are sent. */
  readonly smtp?: { readonly server: SmtpServer; readonly from: string };
  /** Paths below which faces are served instead of at the root, by their names. */
  readonly facePrefixes: Readonly<Record<string, string>>;
  readonly metricsToken?: string;
  readonly applyFile?: string;
  /** Its content, if `loadConfig` was asked to read it. A server that has applied it lets it go: it may be large. */
  readonly apply?: { content?: ApplyFile };
  /** Whether an empty store gets the demo organization. */
  readonly demo: boolean;
  readonly logLevel: LogLevel;
  readonly bcryptCost: number;
  /** Password hashes that may wait. */
  readonly hashQueue: number;
  /** How expensive the password hashes of datasources may be. */
  readonly hashCosts: 'usual' | 'dear';
  /** `exchange`: exchanges of one connection, in each process. `administration`: requests of one party to the administration API. */
  readonly throttle: ThrottleLimits & { readonly exchange: Limit; readonly administration: Limit };
  /** Tokens that may descend from one connection. */
  readonly livingLimit: number;
  /** Living token pairs that one person may have made from their own pair. */
  readonly pairLimit: number;
  /** Seconds that entries of the audit log are kept. */
  readonly auditRetention: number;
  /** Processes. */
  readonly workers: number;
  /** Seconds. */
  readonly ttl: { readonly accessToken: number; readonly login: number };
  /** How long running requests may go on after the signal to stop. */
  readonly shutdownSeconds: number;
  readonly signing: Signing;
  /** What insecure choices say about themselves; to be logged at start. */
  readonly warnings: readonly string[];
}

/** One thing that is wrong. */
export interface Problem {
  /** The environment variable. */
  readonly variable: string;
  /** What is wrong, without the text of secrets. */
  readonly wrong: string;
  /** What would be right. */
  readonly right?: string;
}

/** Everything that is wrong with the configuration, so that one round of corrections is enough. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly Problem[];
  /** The problems as sentences. */
  readonly lines: readonly string[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.map(({ variable, wrong, right }) =>
      toOneLine(`${variable}: ${wrong}.${right === undefined ? '' : ` Right would be: ${right}.`}`),
    );
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    super([`The configuration has ${count}:`, ...lines].join('\n  '));
    this.problems = problems;
    this.lines = lines;
  }
}
