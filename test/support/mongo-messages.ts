/** Enough of MongoDB's wire protocol to read the commands that pass by and to answer them. */
import mongoose from 'mongoose';

const { BSON } = mongoose.mongo;

const HEADER_BYTES = 16;
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
/** Behind the header: flags, then the kind of the one section, which is a document. */
const DOCUMENT_AT = HEADER_BYTES + 5;
/** Behind the header of a reply: flags, cursor, start, count. */
const REPLY_DOCUMENT_AT = HEADER_BYTES + 20;

export type Command = Readonly<Record<string, any>>;

/** Cuts a stream of bytes into messages. */
export function createSplitter(take: (message: Buffer) => void): (chunk: Buffer) => void {
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

export const idOf = (message: Buffer): number => message.readInt32LE(4);
/** Of the request that a message answers. */
export const answeredBy = (message: Buffer): number => message.readInt32LE(8);
const kindOf = (message: Buffer): number => message.readInt32LE(12);

function documentAt(message: Buffer, at: number): Command {
  return BSON.deserialize(message.subarray(at, at + message.readInt32LE(at)));
}

/** The first document of a request. The driver's greeting comes in an older form than its commands. */
export function commandOf(message: Buffer): Command | undefined {
  if (kindOf(message) === OP_QUERY) {
    const nameEnds = message.indexOf(0, HEADER_BYTES + 4);
    return documentAt(message, nameEnds + 1 + 8);
  }
  if (kindOf(message) !== OP_MSG || message[DOCUMENT_AT - 1] !== 0) return undefined;
  return documentAt(message, DOCUMENT_AT);
}

export function answerTo(request: Buffer, answer: object): Buffer {
  const document = BSON.serialize(answer);
  const isOld = kindOf(request) === OP_QUERY;
  const head = Buffer.alloc(isOld ? REPLY_DOCUMENT_AT : DOCUMENT_AT);
  head.writeInt32LE(head.length + document.length, 0);
  head.writeInt32LE(idOf(request), 8);
  head.writeInt32LE(isOld ? OP_REPLY : OP_MSG, 12);
  if (isOld) head.writeInt32LE(1, HEADER_BYTES + 16);
  return Buffer.concat([head, document]);
}
