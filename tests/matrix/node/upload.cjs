// Uploads a file with tus-js-client, as the one argument says, and prints what came of it:
// {file, input, options, urls, resume, abort_at}.
const fs = require('fs')
const tus = require('tus-js-client')

const given = JSON.parse(process.argv[2])
const said = { sent: 0, resumed: false }

let told = false

const tell = (more, upload) => {
  if (!told) console.log(JSON.stringify({ ...said, url: upload.url, ...more }))
  told = true
}

const INPUTS = {
  file: () => fs.createReadStream(given.file),
  stream: () => fs.createReadStream(given.file).pipe(new (require('stream').PassThrough)()),
  buffer: () => fs.readFileSync(given.file),
}

const options = {
  retryDelays: null,
  ...given.options,
  urlStorage: given.urls ? new tus.FileUrlStorage(given.urls) : undefined,
  fingerprint: async () => 'the file',
  onError: (error) => given.abort_at === 0 || tell({ error: String(error) }, upload),
  onSuccess: () => given.abort_at === 0 || tell({ done: true }, upload),
  onProgress: (sent) => {
    said.first = said.first ?? sent
    said.sent = sent
    if (given.abort_at && sent >= given.abort_at) {
      given.abort_at = 0
      upload.abort(true).then(() => tell({ aborted: true }, upload), (error) => tell({ error: String(error) }, upload))
    }
  },
}

const upload = new tus.Upload(INPUTS[given.input ?? 'file'](), options)

async function main() {
  if (given.resume) {
    const previous = await upload.findPreviousUploads()
    said.resumed = previous.length
    upload.resumeFromPreviousUpload(previous[0])
  }
  upload.start()
}

main()
