/** A proxy in front of a MongoDB server that understands enough of the wire protocol to fail in chosen ways. */
import { connect, createServer, type Socket } from 'node:net';
import mongoose from 'mongoose';

const { BSON } = mongoose.mongo;

/**
 * `cut`: connections end. `not primary`: commands are refused as a server does that has lost an election. `stall`:
 * nothing passes. `drop acknowledgements`: what is written is applied, and the connection ends in place of its answer.
 */
export type Fault = 'none' | 'cut' | 'not primary' | 'stall' | 'drop acknowledgements';

export interface Wire extends AsyncDisposable {
  readonly port: number;
  fault: Fault;
  /** How often a message met the fault. */
  readonly met: number;
}

const HEADER_BYTES = 16;
const OP_MSG = 2013;
/** Behind the header: flags, then the kind of the one section, which is a document. */
const DOCUMENT_AT = HEADER_BYTES + 5;
const WRITES = new Set(['insert', 'update', 'delete', 'findAndModify', 'findandmodify']);
const MONITORING = new Set(['hello', 'ismaster', 'isMaster', 'buildInfo', 'endSessions']);

/** Cuts a stream of bytes into messages. */
function createSplitter(take: (message: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
      const length = rest.readInt32LE(0);
      take(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}

function commandOf(message: Buffer): string | undefined {
  if (message.readInt32LE(12) !== OP_MSG || message[DOCUMENT_AT - 1] !== 0) return undefined;
  const length = message.readInt32LE(DOCUMENT_AT);
  return Object.keys(BSON.deserialize(message.subarray(DOCUMENT_AT, DOCUMENT_AT + length)))[0];
}

function notPrimary(request: Buffer): Buffer {
  const document = BSON.serialize({
    ok: 0,
    code: 10_107,
    codeName: 'NotWritablePrimary',
    errmsg: 'not primary',
  });
  const head = Buffer.alloc(DOCUMENT_AT);
  head.writeInt32LE(DOCUMENT_AT + document.length, 0);
  head.writeInt32LE(request.readInt32LE(4), 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, document]);
}

export async function startWire(target: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  let fault: Fault = 'none';
  let met = 0;
  const resumed: (() => void)[] = [];

  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    /** Requests whose answers are to be lost. */
    const lost = new Set<number>();
    const end = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        end();
      });
    }
    const forward = (message: Buffer): void => {
      if (fault === 'stall') {
        met += 1;
        resumed.push(() => forward(message));
        return;
      }
      const command = commandOf(message);
      if (fault === 'cut') {
        met += 1;
        end();
      } else if (fault === 'not primary' && command !== undefined && !MONITORING.has(command)) {
        met += 1;
        client.write(notPrimary(message));
      } else {
        if (fault === 'drop acknowledgements' && command !== undefined && WRITES.has(command)) {
          lost.add(message.readInt32LE(4));
        }
        upstream.write(message);
      }
    };
    client.on('data', createSplitter(forward));
    upstream.on(
      'data',
      createSplitter((answer) => {
        if (!lost.has(answer.readInt32LE(8))) {
          client.write(answer);
          return;
        }
        met += 1;
        end();
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    port: (server.address() as { port: number }).port,
    get fault() {
      return fault;
    },
    set fault(next) {
      fault = next;
      if (next === 'cut') for (const socket of sockets) socket.destroy();
      if (next !== 'stall') for (const resume of resumed.splice(0)) resume();
    },
    get met() {
      return met;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
