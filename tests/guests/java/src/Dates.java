import java.text.SimpleDateFormat;
import java.util.Calendar;
import java.util.Date;
import java.util.GregorianCalendar;
import java.util.Locale;
import java.util.TimeZone;
import org.teavm.interop.Export;

/** Dates in the host's time zone and in others. */
public class Dates {
    @Export(name = "_start")
    @SuppressWarnings("deprecation")
    public static void start() {
        var winter = new Date(124, 0, 15, 12, 30, 15);
        var summer = new Date(124, 6, 15, 12, 30, 15);
        for (var date : new Date[] { winter, summer }) {
            System.out.println(date.getTime() + " " + date.getYear() + " " + date.getMonth() + " " + date.getDate() + " "
                    + date.getTimezoneOffset());
        }
        winter.setMonth(14);
        winter.setDate(0);
        winter.setYear(125);
        System.out.println(winter.getTime() + " " + Date.UTC(124, 0, 15, 12, 30, 15));
        for (var zone : new String[] { "Europe/Berlin", "America/New_York" }) {
            var format = new SimpleDateFormat("yyyy-MM-dd HH:mm:ss", Locale.ENGLISH);
            format.setTimeZone(TimeZone.getTimeZone(zone));
            System.out.println(zone + " " + format.format(summer));
        }
        var calendar = new GregorianCalendar();
        calendar.setTime(summer);
        System.out.println(calendar.get(Calendar.HOUR_OF_DAY) + ":" + calendar.get(Calendar.MINUTE) + " "
                + calendar.getTimeZone().getOffset(summer.getTime()));
    }
}
