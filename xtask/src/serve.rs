//! A static server for the page: one folder, GET and HEAD, this machine only.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// A request's head may be this long; browsers send about 1 KiB.
const HEAD_LIMIT: u64 = 16 * 1024;
/// A connection that says nothing for this long is closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Takes the port, on this machine's own address only.
///
/// # Errors
/// One line, which names `--port` where another program has the port.
pub fn bind(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is taken; choose another: cargo xtask demo --port N")
        }
        _ => format!("can't listen on port {port}: {error}; choose another: cargo xtask demo --port N"),
    })
}

/// Serves `folder`, a thread a request, until the program is ended.
///
/// # Errors
/// If the folder can't be read.
pub fn serve(listener: &TcpListener, folder: &Path) -> Result<(), String> {
    // Resolved, so that every file can be compared with it.
    let folder = folder.canonicalize().map_err(|error| format!("can't serve {}: {error}", folder.display()))?;
    for stream in listener.incoming().flatten() {
        let folder = folder.clone();
        // A visitor who leaves in the middle is no error of ours.
        std::thread::spawn(move || answer(&stream, &folder).ok());
    }
    Ok(())
}

fn answer(mut stream: &TcpStream, folder: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = String::new();
    let mut head = BufReader::new(stream.take(HEAD_LIMIT));
    head.read_line(&mut request)?;
    // The rest of the head has to be read, or closing the connection would cut off our answer.
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let mut words = request.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let reply = reply(method, target, folder);
    stream.write_all(reply.head().as_bytes())?;
    if method != "HEAD" {
        stream.write_all(&reply.body)?;
    }
    stream.flush()
}

/// What goes back.
struct Reply {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Reply {
    fn says(status: &'static str) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{status}\n").into_bytes() }
    }

    fn head(&self) -> String {
        // Never cached: the page is rebuilt between two looks at it.
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n",
            self.status,
            self.kind,
            self.body.len()
        )
    }
}

fn reply(method: &str, target: &str, folder: &Path) -> Reply {
    if !matches!(method, "GET" | "HEAD") {
        return Reply::says("405 Method Not Allowed");
    }
    let Some(file) = file(target, folder) else {
        return Reply::says("404 Not Found");
    };
    match fs::read(&file) {
        Ok(body) => Reply { status: "200 OK", kind: kind(&file), body },
        Err(_) => Reply::says("404 Not Found"),
    }
}

/// The file below `folder` that a request's target names; `None` if there is none or it lies elsewhere.
fn file(target: &str, folder: &Path) -> Option<PathBuf> {
    let path = target.split(['?', '#']).next()?.strip_prefix('/')?;
    let mut file = folder.to_path_buf();
    let decoded = percent_decoded(path)?;
    for part in Path::new(&decoded).components() {
        match part {
            Component::Normal(name) => file.push(name),
            Component::CurDir => {}
            _ => return None,
        }
    }
    if decoded.is_empty() || decoded.ends_with('/') {
        file.push("index.html");
    }
    // A link inside the folder may lead out of it.
    let file = file.canonicalize().ok()?;
    (file.starts_with(folder) && file.is_file()).then_some(file)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// The media type of a file, by its name's ending. Browsers refuse modules and streaming wasm of another type.
fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" | "wgsl" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of its own for a test, gone afterwards, with a secret beside it.
    struct Site(PathBuf);

    impl Site {
        fn new(name: &str) -> Self {
            let base = std::env::temp_dir().join(format!("webmoe-serve-{name}-{}", std::process::id()));
            fs::create_dir_all(base.join("site/assets")).unwrap();
            fs::write(base.join("secret.txt"), "secret").unwrap();
            fs::write(base.join("site/index.html"), "<p>page</p>").unwrap();
            fs::write(base.join("site/assets/a b.js"), "run()").unwrap();
            fs::write(base.join("site/webmoe_bg.wasm"), b"\0asm").unwrap();
            Self(base.canonicalize().unwrap())
        }

        fn folder(&self) -> PathBuf {
            self.0.join("site")
        }
    }

    impl Drop for Site {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// Serves a site on a free port and gives the answer to one request as text.
    fn ask(site: &Site, request: &str) -> String {
        let listener = bind(0).unwrap();
        let address = listener.local_addr().unwrap();
        let folder = site.folder();
        std::thread::spawn(move || serve(&listener, &folder));
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{request}\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_root_is_the_index_page_and_is_never_cached() {
        let answer = ask(&Site::new("root"), "GET / HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Content-Type: text/html; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 11\r\n"), "{answer}");
        assert!(answer.contains("Cache-Control: no-store\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n<p>page</p>"), "{answer}");
    }

    #[test]
    fn head_sends_the_headers_of_get_without_the_body() {
        let answer = ask(&Site::new("head"), "HEAD /webmoe_bg.wasm HTTP/1.1");
        assert!(answer.contains("Content-Type: application/wasm\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 4\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn names_are_decoded_and_queries_ignored() {
        let answer = ask(&Site::new("names"), "GET /assets/a%20b.js?v=1#top HTTP/1.1");
        assert!(answer.contains("Content-Type: text/javascript; charset=utf-8\r\n"), "{answer}");
        assert!(answer.ends_with("run()"), "{answer}");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let site = Site::new("outside");
        #[cfg(unix)]
        std::os::unix::fs::symlink(site.0.join("secret.txt"), site.folder().join("link.txt")).unwrap();
        for target in [
            "/../secret.txt",
            "/assets/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "//etc/passwd",
            "/%2fetc/passwd",
            "/link.txt",
            "secret.txt",
        ] {
            assert_eq!(reply("GET", target, &site.folder()).status, "404 Not Found", "{target}");
        }
    }

    #[test]
    fn what_is_not_there_or_malformed_is_not_found() {
        let site = Site::new("missing");
        for target in ["/missing.js", "/assets", "/assets/", "/%zz", "/%f", "/%ff", ""] {
            assert_eq!(reply("GET", target, &site.folder()).status, "404 Not Found", "{target}");
        }
    }

    #[test]
    fn other_methods_are_refused() {
        let answer = ask(&Site::new("methods"), "POST / HTTP/1.1");
        assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
        assert!(answer.contains("Allow: GET, HEAD\r\n"), "{answer}");
    }

    #[test]
    fn a_taken_port_is_told_in_a_line_that_names_the_option() {
        let first = bind(0).unwrap();
        let why = bind(first.local_addr().unwrap().port()).unwrap_err();
        assert!(why.contains("is taken") && why.contains("--port") && !why.contains('\n'), "{why}");
    }
}
