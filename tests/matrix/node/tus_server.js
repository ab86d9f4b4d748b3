// usage: node tus_server.js PACKAGE FOLDER PORT
// A tus server with files in FOLDER, by @tus/server or by tus-node-server. Prints its port once it listens.
const http = require('http');
const path = require('path');

const [name, folder, port] = process.argv.slice(2);
const options = { path: '/files', respectForwardedHeaders: false };
let server;

if (name === '@tus/server') {
  const { Server } = require('@tus/server');
  const { FileStore } = require('@tus/file-store');
  server = new Server({ ...options, datastore: new FileStore({ directory: folder }) });
} else {
  const { Server, FileStore } = require('tus-node-server');
  const Configstore = require('configstore');
  server = new Server(options);
  const configstore = new Configstore(name, {}, { configPath: path.join(folder, 'uploads.json') });
  server.datastore = new FileStore({ directory: folder, configstore });
}

const listening = http.createServer((request, response) => server.handle(request, response));
listening.listen(Number(port), '127.0.0.1', () => console.log(listening.address().port));
