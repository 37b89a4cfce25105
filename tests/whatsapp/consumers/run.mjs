// Hands messages to the code of Baileys and prints what it would send, after the protocol's own
// encoding; and what it hands over of a reply that came in. One JSON array in, one out.

import { readFileSync } from "node:fs";
import { generateWAMessageContent, generateWAMessageFromContent, proto } from "baileys";
import older from "baileys-with-buttons";

const carried = (Message, message) =>
  Message.toObject(Message.decode(Message.encode(Message.fromObject(message)).finish()), {
    enums: String,
  });

const tasks = {
  // Content of sendMessage, by the last release with buttons and lists.
  older: async (content) =>
    carried(older.proto.Message, await older.generateWAMessageContent(content, {})),
  newer: async (content) => carried(proto.Message, await generateWAMessageContent(content, {})),
  // A whole message for relayMessage.
  relayed: async (message) => {
    const sent = generateWAMessageFromContent("1@s.whatsapp.net", message, { userJid: "2@s" });
    return carried(proto.Message, sent.message);
  },
  received: async (message) => carried(proto.Message, message),
};

const results = [];
for (const [task, message] of JSON.parse(readFileSync(0, "utf8"))) {
  results.push(await tasks[task](message));
}
process.stdout.write(JSON.stringify(results));
