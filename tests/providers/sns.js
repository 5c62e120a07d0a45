// Tells of SNS messages, one JSON a line, whether Amazon's own validator takes them, as JSON.
// The certificates of SNS come from the given port of loopback.
const { readFileSync } = require("node:fs");
const https = require("node:https");
const tls = require("node:tls");
const MessageValidator = require("sns-validator");

const port = Number(process.argv[2]);
https.globalAgent.createConnection = (options) =>
  tls.connect({ ...options, host: "127.0.0.1", port });

const validator = new MessageValidator();
const taken = (message) =>
  new Promise((resolve) => validator.validate(message, (refused) => resolve(!refused)));

const judge = async (lines) => {
  const verdicts = [];
  for (const line of lines) verdicts.push(await taken(line));
  console.log(JSON.stringify(verdicts));
};

judge(readFileSync(0, "utf8").trim().split("\n"));
