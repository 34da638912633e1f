// Waits in a zone over plain HTTP, with nothing but the JDK (17 or newer).
//
//     java Room.java http://127.0.0.1:7380 shop
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.regex.Pattern;

public class Room {
    static final HttpClient HTTP = HttpClient.newHttpClient();

    static String post(String url, String body) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(url))
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        var answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        // Errors say canEnter:false too, and when to come back where that helps.
        return answer.body();
    }

    /** A member of a flat answer; a service has a JSON library for this. */
    static String member(String json, String name) {
        var found = Pattern.compile("\"" + name + "\":\"?([^\",}]*)").matcher(json);
        return found.find() ? found.group(1) : null;
    }

    public static void main(String[] arguments) throws Exception {
        var url = arguments[0];
        var zone = arguments[1];
        var place = post(url + "/traffic/wait",
                "{\"zoneId\":\"" + zone + "\",\"clientIp\":\"127.0.0.1\",\"clientAgent\":\"WEB\"}");
        var token = member(place, "token");
        while (!"true".equals(member(place, "canEnter"))) {
            var pause = member(place, "pollingPeriod");
            if (token == null || pause == null) throw new IllegalStateException(place);
            System.out.println("position " + member(place, "position"));
            Thread.sleep(Long.parseLong(pause));
            place = post(url + "/traffic/entry", "{\"zoneId\":\"" + zone + "\",\"token\":\"" + token + "\"}");
        }
        System.out.println("entered " + member(place, "zoneId"));
    }
}
