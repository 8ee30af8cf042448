/**
 * A MongoDB server for tests: the one that `MONGODB_URI` names, else the in-memory server in Java whose files
 * `mvn -f test/mongodb/pom.xml dependency:copy-dependencies` fetches. Each test has databases of its own.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const FOLDER = join(import.meta.dirname, '..', 'mongodb');
/** For a life of seconds: no second compiler, no threads that collect garbage. */
const QUICK_START = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto'];
const LIBRARIES = join(FOLDER, 'lib');

export interface MongoServer extends AsyncDisposable {
  /** Without a database. */
  readonly uri: string;
  /** Of a database of its own, dropped at the end. */
  newUrl(): string;
  /** Of our own server; undefined for one that was given to us. */
  readonly child?: ChildProcess;
  readonly port?: number;
}

function hasJava(): boolean {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Why the tests on MongoDB cannot run here; `false` if they can. In CI a missing server is a failure. */
export function mongoMissing(): string | false {
  if (process.env.MONGODB_URI) return false;
  if (existsSync(LIBRARIES) && hasJava()) return false;
  const sentence =
    'no MongoDB server: set MONGODB_URI, or with Java 17 and Maven run ' +
    'mvn -f test/mongodb/pom.xml dependency:copy-dependencies';
  if (process.env.CI) throw new Error(sentence);
  return sentence;
}

async function startJava(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(
    'java',
    [...QUICK_START, '-Xmx512m', '-cp', join(LIBRARIES, '*'), join(FOLDER, 'Server.java')],
    {
      stdio: ['pipe', 'pipe', 'ignore'],
    },
  );
  if (!child.stdout) throw new Error('no output to read the port from');
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the MongoDB server of the tests ended with ${code}`);
  });
  for await (const line of createInterface(child.stdout)) {
    if (/^\d+$/.test(line)) {
      ended.catch(() => undefined);
      return { child, port: Number(line) };
    }
  }
  return ended;
}

function newDatabase(uri: string): string {
  const url = new URL(uri);
  url.pathname = `/grantable-test-${randomUUID().slice(0, 8)}`;
  return url.href;
}

export async function startMongo(): Promise<MongoServer> {
  const given = process.env.MONGODB_URI;
  const own = given ? undefined : await startJava();
  const base = given ?? `mongodb://127.0.0.1:${own?.port}`;
  const urls: string[] = [];
  return {
    ...own,
    uri: base,
    newUrl() {
      const url = newDatabase(base);
      urls.push(url);
      return url;
    },
    async [Symbol.asyncDispose]() {
      if (own) {
        own.child.stdin?.end();
        if (own.child.exitCode === null && own.child.signalCode === null) await once(own.child, 'exit');
        return;
      }
      // Read by almost all tests, which need no driver of MongoDB.
      const { default: mongoose } = await import('mongoose');
      for (const url of urls) {
        const connection = await mongoose.createConnection(url).asPromise();
        await connection.dropDatabase();
        await connection.close();
      }
    },
  };
}

/** Which store the servers of the tests have. */
export const STORE = process.env.GRANTABLE_TEST_STORAGE === 'mongodb' ? 'MongoDB' : 'SQLite';

/** The environment of one server: a store of its own where the data folder is not the store. */
export async function storageForTests(): Promise<Record<string, string>> {
  const { MONGODB_URI } = process.env;
  if (STORE === 'SQLite') return {};
  if (!MONGODB_URI) throw new Error('GRANTABLE_TEST_STORAGE=mongodb needs MONGODB_URI');
  return { GRANTABLE_STORAGE: newDatabase(MONGODB_URI) };
}
