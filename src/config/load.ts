/** From the environment to a `Config`, or to a list of everything that is wrong with it. */

import { readFileSync, type Stats, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { inspect } from 'node:util';
import { ApplyFileError } from '../apply/file-error.ts';
import type { ApplyFile } from '../apply/schema.ts';
import { didYouMean } from '../errors/similar.ts';
import { quote } from '../errors/texts.ts';
import { defined } from '../storage/defined.ts';
import { type MasterKey, parseMasterKey } from '../storage/master-key.ts';
import { createTrustedProxies } from './addresses.ts';
import { type Config, ConfigError, type Problem } from './config.ts';
import { isIgnoredName, type Option, options, type Rule, type Values } from './options.ts';
import { BadValue, type StoragePlace } from './values.ts';

export { type Config, ConfigError, type Problem } from './config.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadOptions {
  /** What relative paths are relative to. */
  readonly cwd: string;
  /**
   * `loadApplyFile`, if the apply file is to be read too, so that its problems are reported with the others. Its content
   * is `config.apply.content`.
   */
  readonly readApplyFile?: ((path: string) => ApplyFile) | undefined;
}

type Report = (option: Option, wrong: string, right?: string) => void;

const KEY_FILE_BYTES = 1024;

/**
 * Reads and checks all of it; reads no file but the given key file and, if asked, the apply file.
 * @throws ConfigError with every problem
 */
export function loadConfig(env: Environment, { cwd, readApplyFile }: LoadOptions): Config {
  const problems: Problem[] = [...findWrongNames(env), ...findWrongMode(env)];
  const report: Report = ({ name, type }, wrong, right = type) =>
    problems.push({ variable: name, wrong, right });
  const production = env.NODE_ENV === 'production';
  const values = readValues(env, report);
  const given = ({ name }: Option): boolean => env[name] !== undefined;
  const draft = draftConfig(values, { cwd, production, given, report });
  requireFitting(draft, report);
  if (draft.dataDir !== undefined) requireFolder(draft.dataDir, report);

  const keyFileMode = draft.masterKey?.path === undefined ? undefined : findMode(draft.masterKey.path);
  const all: readonly Option[] = Object.values(options);
  const applies = (rule: Rule | undefined): rule is Rule => rule?.when(draft, keyFileMode) === true;
  if (production) {
    for (const option of all) {
      if (applies(option.refusedInProduction)) {
        const { says, right } = option.refusedInProduction;
        report(option, `with NODE_ENV=production this is refused: ${says}`, right);
      }
    }
  }
  const apply =
    readApplyFile && draft.applyFile !== undefined
      ? findApply(draft.applyFile, readApplyFile, problems)
      : undefined;
  if (problems.length > 0) throw new ConfigError(problems);

  const warnings = all.flatMap(({ insecure }) => (applies(insecure) ? [insecure.says] : []));
  // Without problems nothing is missing.
  return seal({ ...(draft as Config), ...defined({ apply }), warnings });
}

/** A mistyped name must not leave its option at the default. */
function findWrongNames(env: Environment): Problem[] {
  const known = Object.values(options).map(({ name }) => name as string);
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && /^GRANTABLE_/i.test(name))
    .filter((name) => !known.includes(name) && !isIgnoredName(name))
    .map((name) => ({ variable: name, wrong: `there is no such option${didYouMean(name, known)}` }));
}

/** What is nearly `production` must not run without production's rules. */
function findWrongMode({ NODE_ENV: mode }: Environment): Problem[] {
  if (mode === undefined || mode === 'production' || !/^\s*prod/i.test(mode)) return [];
  return [{ variable: 'NODE_ENV', wrong: `${quote(mode)} is not known`, right: 'production' }];
}

function readValues(env: Environment, report: Report): Values {
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries<Option>(options)) {
    const text = env[option.name] ?? option.default;
    if (text === undefined) continue;
    if (text.trim() === '') {
      report(option, 'it is set but empty', `${option.type}, or to leave it out`);
      continue;
    }
    try {
      values[key] = option.parse(text);
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      report(option, `${option.secret ? 'what is given' : quote(text)} ${error.message}`);
    }
  }
  return values as Values;
}

interface DraftDeps {
  readonly cwd: string;
  readonly production: boolean;
  readonly given: (option: Option) => boolean;
  readonly report: Report;
}

function absolute(place: StoragePlace, cwd: string): StoragePlace {
  return place.kind === 'sqlite' ? { ...place, path: resolve(cwd, place.path) } : place;
}

/** As much of the configuration as could be parsed, so that the rules find their problems in the same round. */
function draftConfig(values: Values, deps: DraftDeps): Partial<Config> {
  const { cwd, production, given, report } = deps;
  const { masterKey: _key, masterKeyFile: _file, smtpUrl: _url, mailFrom: _from, ...others } = values;
  const { accountLimit: account, addressLimit: address, clientLimit: client, ...furtherLimits } = others;
  const {
    registrationLimit: registration,
    authorizationLimit: authorization,
    agentLimit: agentDocument,
    ...rest
  } = furtherLimits;
  const { exchangeLimit: exchange, administrationLimit: administration, ...further } = rest;
  const { accessTokenTtl: accessToken, loginTtl: login, ...asTheyAre } = further;
  const dataDir = values.dataDir && resolve(cwd, values.dataDir);
  const proxies = given(options.trustedProxies) ? values.trustedProxies : [];
  const draft = {
    ...asTheyAre,
    production,
    issuer: given(options.issuer) ? values.issuer : defaultIssuer(values.port, report),
    dataDir,
    storage: given(options.storage)
      ? values.storage && absolute(values.storage, cwd)
      : dataDir && ({ kind: 'sqlite', path: join(dataDir, 'grantable.db') } as const),
    masterKey: findMasterKey(values, deps, dataDir),
    hosts: given(options.hosts) ? values.hosts : [],
    datasourceHosts: given(options.datasourceHosts) ? values.datasourceHosts : [],
    webhookHosts: given(options.webhookHosts) ? values.webhookHosts : [],
    agentHosts: given(options.agentHosts) ? values.agentHosts : [],
    trustedProxies: proxies && createTrustedProxies(proxies),
    smtp: findSmtp(values, deps),
    facePrefixes: given(options.facePrefixes) ? values.facePrefixes : {},
    applyFile: values.applyFile && resolve(cwd, values.applyFile),
    demo: given(options.demo) ? values.demo : !production,
    throttle: {
      account,
      address,
      client,
      registration,
      authorization,
      agentDocument,
      exchange,
      administration,
    },
    ttl: { accessToken, login },
  };
  return Object.fromEntries(Object.entries(draft).filter(([, value]) => value !== undefined));
}

function defaultIssuer(port: number | undefined, report: Report): string | undefined {
  if (port === 0) report(options.issuer, 'it is missing, and without it GRANTABLE_PORT cannot be 0');
  return port ? new URL(`http://localhost:${port}`).origin : undefined;
}

/** One that did not parse has been reported, and what it needs is not known. */
function findSmtp({ smtpUrl: server, mailFrom: from }: Values, { given, report }: DraftDeps): Config['smtp'] {
  if (server && !given(options.mailFrom)) {
    report(options.mailFrom, 'it is missing, and GRANTABLE_SMTP_URL needs it');
  }
  if (from && !given(options.smtpUrl)) {
    report(options.smtpUrl, 'it is missing, and without it GRANTABLE_MAIL_FROM has no effect');
  }
  return server && from ? { server, from } : undefined;
}

function findMasterKey(
  values: Values,
  { cwd, given, report }: DraftDeps,
  dataDir: string | undefined,
): MasterKey | undefined {
  if (given(options.masterKey) && given(options.masterKeyFile)) {
    report(options.masterKeyFile, 'GRANTABLE_MASTER_KEY is set too', 'to set only one of the two');
  }
  if (given(options.masterKey)) return values.masterKey && { source: 'env', key: values.masterKey };
  if (given(options.masterKeyFile)) {
    const path = values.masterKeyFile && resolve(cwd, values.masterKeyFile);
    const key = path && readKeyFile(path, report);
    return path && key ? { source: 'file', path, key } : undefined;
  }
  return dataDir === undefined ? undefined : { source: 'data-folder', path: join(dataDir, 'master.key') };
}

function readKeyFile(path: string, report: Report): Buffer | undefined {
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > KEY_FILE_BYTES)
      throw new Error('it is not a file that holds just a key');
    return parseMasterKey(readFileSync(path, 'utf8'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    report(
      options.masterKeyFile,
      `${quote(path)} is not valid: ${code ? `it cannot be read (${code})` : message}`,
    );
    return undefined;
  }
}

/**
 * Grantable speaks plain HTTP behind a proxy; without this setting every client would have the proxy's address (HD-05).
 */
function requireFitting({ issuer, trustedProxies }: Partial<Config>, report: Report): void {
  if (issuer?.startsWith('https:') && trustedProxies?.list.length === 0) {
    report(options.trustedProxies, 'the issuer is https, so a proxy ends TLS, but none is trusted');
  }
}

/** The server creates a missing folder later. */
function requireFolder(path: string, report: Report): void {
  for (let part = path; ; part = dirname(part)) {
    const stat = findStat(part);
    if (stat && !stat.isDirectory()) {
      const what =
        part === path ? `${quote(path)} is a file` : `${quote(path)} lies below the file ${quote(part)}`;
      report(options.dataDir, what, 'the path of a folder, which is made if it is not there');
    }
    if (stat || part === dirname(part)) return;
  }
}

/** Undefined if the file does not exist or cannot be examined. */
function findStat(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function findMode(path: string): number | undefined {
  // Windows has no such modes; the code that reads the file reports one that cannot be examined.
  if (process.platform === 'win32') return undefined;
  return findStat(path)?.mode;
}

function findApply(path: string, read: (path: string) => ApplyFile, problems: Problem[]): Config['apply'] {
  try {
    return { content: read(path) };
  } catch (error) {
    if (!(error instanceof ApplyFileError)) throw error;
    for (const line of error.lines) problems.push({ variable: options.applyFile.name, wrong: line });
    return undefined;
  }
}

function withoutLogin({ server: { login: _, ...server }, from }: NonNullable<Config['smtp']>) {
  return { server, from };
}

function freeze(part: unknown): void {
  if (typeof part !== 'object' || part === null || ArrayBuffer.isView(part)) return;
  Object.values(part).forEach(freeze);
  Object.freeze(part);
}

/** Frozen but for the content of the apply file, and without its secrets wherever it is printed or logged. */
function seal(config: Config): Config {
  const { metricsToken, apply, masterKey, storage, smtp, ...open } = config;
  const shown = {
    ...open,
    masterKey: { source: masterKey.source },
    // The URL may hold a password.
    storage: storage.kind === 'sqlite' ? storage : { kind: storage.kind },
    ...defined({ smtp: smtp && withoutLogin(smtp) }),
  };
  Object.defineProperty(config, 'toJSON', { value: () => shown });
  Object.defineProperty(config, inspect.custom, { value: () => shown });
  for (const part of [open, masterKey, storage, smtp]) freeze(part);
  return Object.freeze(config);
}
