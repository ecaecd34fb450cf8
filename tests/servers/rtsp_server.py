"""A real RTSP server for tests (gst-rtsp-server), run by the system's Python: ``/usr/bin/python3 rtsp_server.py``.

Needs Debian's gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-good and -ugly, python3-gi; for files gstreamer1.0-libav
too. Prints its URL when it listens. A file is sent once for each connection; the test pattern goes on for ever.
"""

import argparse


def pipeline(arguments: argparse.Namespace) -> str:
    """Return the description of what is sent."""
    width, height = arguments.size.split("x")
    shape = f"video/x-raw,width={width},height={height},framerate={arguments.fps}/1"
    if arguments.file:
        source = f'filesrc location="{arguments.file}" ! decodebin ! videoconvert ! videoscale ! videorate ! {shape}'
    else:
        source = f"videotestsrc is-live=true pattern={arguments.pattern} ! {shape}"
    encoder = f"x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max={arguments.fps}"
    return f"( {source} ! {encoder} ! rtph264pay name=pay0 pt=96 )"


def main() -> None:
    """Serve until killed."""
    import gi  # noqa: PLC0415  # the tests' own Python has no gi

    gi.require_version("Gst", "1.0")
    gi.require_version("GstRtsp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: PLC0415

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", default="", help="a video to send; without it a test pattern")
    parser.add_argument("--pattern", default="ball")
    parser.add_argument("--port", default="0", help="0: any free one")
    parser.add_argument("--path", default="/camera")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--fps", default=10, type=int)
    parser.add_argument("--password", default="", help="ask for this password of the user `camera`")
    arguments = parser.parse_args()

    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(pipeline(arguments))
    factory.set_shared(not arguments.file)
    factory.set_protocols(GstRtsp.RTSPLowerTrans.TCP)
    if arguments.password:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("camera", arguments.password), token)
        server.set_auth(auth)
        factory.add_role_from_structure(
            Gst.Structure.from_string("viewer, media.factory.access=true, media.factory.construct=true")[0]
        )
    server.get_mount_points().add_factory(arguments.path, factory)
    if not server.attach(None):
        raise SystemExit(f"port {arguments.port} is taken")
    print(f"rtsp://127.0.0.1:{server.get_bound_port()}{arguments.path}", flush=True)  # noqa: T201
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
