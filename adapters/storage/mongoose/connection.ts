/** Keeps the connection, and opens a new one when the driver's monitor has died. */
import { type ConnectOptions, createConnection, mongo } from 'mongoose';
import { CannotOpenStore, StoreUnavailable } from '../../../src/storage/contract.ts';
import { guardedLong } from './errors.ts';

/** Milliseconds. A waiting client gets 503 before its own time limit. */
const PATIENCE_MS = 2_000;
const SOCKET_MS = 10_000;
const POOL = 50;
/** A server that came back is noticed after this long, not after the driver's ten seconds. */
const HEARTBEAT_MS = 1_000;
/** Milliseconds without a heartbeat, good or bad, after which the driver's monitor counts as dead. */
const SILENCE_MS = 2 * (PATIENCE_MS + HEARTBEAT_MS);

const OPTIONS: ConnectOptions = {
  bufferCommands: false,
  sanitizeFilter: true,
  autoIndex: false,
  autoCreate: false,
  appName: 'grantable',
  maxPoolSize: POOL,
  serverSelectionTimeoutMS: PATIENCE_MS,
  connectTimeoutMS: PATIENCE_MS,
  waitQueueTimeoutMS: PATIENCE_MS,
  socketTimeoutMS: SOCKET_MS,
  heartbeatFrequencyMS: HEARTBEAT_MS,
  serverMonitoringMode: 'poll',
  // An acknowledged write survives the loss of any minority of the members.
  writeConcern: { w: 'majority', j: true, wtimeoutMS: SOCKET_MS },
  readPreference: 'primary',
  retryWrites: true,
  retryReads: true,
};

/** Milliseconds. */
const OTHERWISE_MS = 500;
const TLS_MISMATCH =
  'The database answers only with the other setting of tls: set tls=true in GRANTABLE_STORAGE if the database uses TLS, and tls=false if it does not.';

/**
 * Whether a server that does not answer would answer with the other TLS setting. Without this check, a server with the
 * wrong setting looks like one that is away. No credentials are sent.
 */
async function answersOtherwise(url: string): Promise<boolean> {
  try {
    const { hosts, tls } = new mongo.MongoClient(url).options;
    const other = new mongo.MongoClient(`mongodb://${hosts.join(',')}/`, {
      ...(tls ? { tls: false } : { tls: true, tlsAllowInvalidCertificates: true }),
      serverSelectionTimeoutMS: OTHERWISE_MS,
      connectTimeoutMS: OTHERWISE_MS,
    });
    await other.connect().finally(() => other.close());
    return true;
  } catch {
    return false;
  }
}

/**
 * The driver's monitor of a server can end for good when a connection breaks in the middle of its handshake; then every
 * request fails although the server is there. A new client has a new one.
 *
 * @param silence milliseconds without a heartbeat
 * @throws StoreUnavailable, CannotOpenStore, and the driver's own errors of a URL or of credentials
 */
export async function connect(url: string, silence = SILENCE_MS) {
  const connection = createConnection(url, OPTIONS);
  try {
    await guardedLong(() => connection.asPromise());
  } catch (error) {
    await connection.close();
    if (error instanceof StoreUnavailable && (await answersOtherwise(url))) {
      throw new CannotOpenStore(TLS_MISMATCH, { cause: error });
    }
    throw error;
  }
  let lastHeartbeat = performance.now();
  const heard = (): void => {
    lastHeartbeat = performance.now();
  };
  const listen = (): void => {
    heard();
    const client = connection.getClient();
    client.on('serverHeartbeatSucceeded', heard);
    client.on('serverHeartbeatFailed', heard);
  };
  listen();

  let reviving: Promise<void> | undefined;
  let isClosed = false;
  async function revive(): Promise<void> {
    try {
      // Not by force: Mongoose would then accept no further operation on it.
      await connection.close();
      if (isClosed) return;
      await connection.openUri(url, OPTIONS);
      listen();
    } catch {
      // The server may be away at this moment. The next interval tries again.
    } finally {
      reviving = undefined;
    }
  }
  const watch = setInterval(() => {
    if (performance.now() - lastHeartbeat > silence) reviving ??= revive();
  }, HEARTBEAT_MS).unref();

  return {
    connection,
    async close(): Promise<void> {
      clearInterval(watch);
      isClosed = true;
      // It would open a connection after this one.
      await reviving;
      await connection.close();
    },
  };
}
